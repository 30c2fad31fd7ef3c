from pathlib import Path

import pytest
import torch

from modules.core.errors import ModelFileError
from modules.families.base import ModelTraits
from modules.loading.detect import read_traits
from modules.loading.mapped import MappedFile, StoredTensor


@pytest.fixture
def anywhere(tmp_path: Path) -> MappedFile:
    (tmp_path / "file").write_bytes(b"x")
    return MappedFile(tmp_path / "file")


def named(file: MappedFile, *names: str, shape: tuple[int, ...] = (320, 4, 3, 3)) -> dict[str, StoredTensor]:
    return {name: StoredTensor(file=file, start=0, dtype=torch.float16, shape=shape) for name in names}


UNET = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (["cond_stage_model.transformer.text_model.final_layer_norm.bias"], {"clip"}),
        (["cond_stage_model.model.ln_final.bias"], {"openclip"}),
        (["conditioner.embedders.0.transformer.a", "conditioner.embedders.1.model.b"], {"clip", "openclip"}),
        (["conditioner.embedders.0.model.b"], {"openclip"}),
        ([], set[str]()),
    ],
)
def test_text_encoders(anywhere: MappedFile, text: list[str], kinds: set[str]) -> None:
    traits = read_traits(named(anywhere, UNET, *text), source="x")
    assert traits == ModelTraits(in_channels=4, text_encoders=frozenset(kinds))


@pytest.mark.parametrize(
    ("others", "vector"),
    [
        ([], None),
        (["conditioner.embedders.0.model.ln_final.bias"], "size"),
        (["cond_stage_model.model.ln_final.bias", "embedder.model.ln_final.weight"], "picture"),
    ],
)
@pytest.mark.parametrize("ema", [False, True])
def test_what_else_the_network_is_told(anywhere: MappedFile, others: list[str], vector: str | None, ema: bool) -> None:
    network = [UNET, UNET.replace("input_blocks.0.0", "label_emb.0.0")] if vector else [UNET]
    if ema:
        prefix = "model.diffusion_model."
        network = ["model_ema.diffusion_model" + name.removeprefix(prefix).replace(".", "") for name in network]
    assert read_traits(named(anywhere, *network, *others), source="x").vector == vector


def test_channels(anywhere: MappedFile) -> None:
    assert read_traits(named(anywhere, UNET, shape=(320, 9, 3, 3)), source="x").in_channels == 9


def test_a_checkpoint_of_averages_alone(anywhere: MappedFile) -> None:
    names = named(anywhere, "model_ema.diffusion_modelinput_blocks00weight")
    assert read_traits(names, source="x").in_channels == 4


def test_a_transformer(anywhere: MappedFile) -> None:
    names = named(anywhere, "model.diffusion_model.joint_blocks.0.context_block.attn.proj.weight")
    assert not read_traits(names, source="x").unet


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
            "a LoRA, not a checkpoint. Move it to models/Lora",
        ),
        ("unet.down_blocks.0.attentions.0.to_q.lora_A.weight", "a LoRA"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_a", "a LoRA"),
        ("string_to_param.*", "an embedding (textual inversion), not a checkpoint. Move it to embeddings"),
        ("emb_params", "an embedding"),
        ("<my-style>", "an embedding"),
        ("768.0.linear.0.weight", "a hypernetwork, not a checkpoint. Move it to models/hypernetworks"),
        ("control_model.zero_convs.0.0.weight", "a ControlNet"),
        ("first_stage_model.encoder.conv_in.weight", "a VAE, not a checkpoint. Move it to models/VAE"),
        ("decoder.mid.attn_1.k.weight", "a VAE"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "only a text encoder"),
        ("down_blocks.0.resnets.0.conv1.weight", "only the network of a diffusers model"),
        ("model.1.sub.0.RDB1.conv1.0.weight", "an upscaler, not a checkpoint. Move it to models/ESRGAN"),
        ("params_ema.body.0.rdb1.conv1.weight", "an upscaler"),
        ("something.else", "no Stable Diffusion checkpoint"),
    ],
)
def test_other_files_are_named_with_the_place_where_they_belong(anywhere: MappedFile, name: str, what: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        read_traits(named(anywhere, name), source="file.safetensors")
    assert f"“file.safetensors” is {what}" in str(caught.value)


def test_a_bare_vector_looks_like_an_embedding(anywhere: MappedFile) -> None:
    with pytest.raises(ModelFileError, match="looks like an embedding"):
        read_traits(named(anywhere, "sks", shape=(4, 768)), source="x")


def test_a_file_without_weights() -> None:
    with pytest.raises(ModelFileError, match="holds no weights at all"):
        read_traits({}, source="x")
