"""What is read from files of adapters, and what is said of those that cannot be used."""

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from modules.adapters.adapter_file import read_adapter
from modules.adapters.keys import ModelIndex, Target, index_components
from modules.adapters.kinds.base import Use
from modules.adapters.kinds.dora import Dora
from modules.adapters.kinds.full import Full
from modules.adapters.kinds.lora import Lora
from modules.adapters.kinds.partial import FirstChannels
from modules.adapters.kinds.sparse import Sparse
from modules.adapters.weights import changed
from modules.core.errors import ModelFileError, UnsafeFileError
from tests.adapters.adapter_files import SD1_METADATA, kohya_lora, write
from tests.adapters.networks import index_of
from tests.adapters.tiny_networks import tiny_text_encoder, tiny_unet

TO_Q = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
TO_Q_WEIGHT = Target(component="unet", parameter="down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight")
CONV_IN = Target(component="unet", parameter="conv_in.weight")


@pytest.fixture(scope="module")
def index() -> ModelIndex:
    return index_components({"unet": tiny_unet(), "text_encoder": tiny_text_encoder()}, family="SD 1.x")


def lora(name: str = f"lora_unet_{TO_Q}", shape: tuple[int, ...] = (32, 32)) -> dict[str, Tensor]:
    return kohya_lora([name], [shape])


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".ckpt", ".bin"])
def test_all_endings(ending: str, index: ModelIndex, tmp_path: Path) -> None:
    adapter = read_adapter(write(tmp_path / f"lora{ending}", lora(), SD1_METADATA), index)
    (change,) = adapter.changes[TO_Q_WEIGHT]
    assert isinstance(change, Lora)
    assert change.scale == 0.5
    assert torch.equal(change.down, lora()[f"lora_unet_{TO_Q}.lora_down.weight"])
    assert adapter.metadata == (SD1_METADATA if ending == ".safetensors" else {})
    assert (adapter.file, adapter.unmatched, adapter.embeddings) == (f"lora{ending}", (), {})


def test_what_means_nothing_is_named(index: ModelIndex, tmp_path: Path) -> None:
    tensors = lora() | {
        "lora_unet_nowhere.lora_up.weight": torch.ones(2, 2),
        f"lora_unet_{TO_Q}.diff_b": torch.ones(32),  # this layer has no bias
        f"lora_unet_{TO_Q}.weight": torch.ones(32),
        "something": torch.ones(1),
    }
    adapter = read_adapter(write(tmp_path / "lora.safetensors", tensors), index)
    assert set(adapter.unmatched) == set(tensors) - set(lora())
    assert set(adapter.changes) == {TO_Q_WEIGHT}


def test_bundled_embeddings(index: ModelIndex, tmp_path: Path) -> None:
    tensors = lora() | {
        "bundle_emb.one.string_to_param.*": torch.ones(2, 32),
        "bundle_emb.two.clip_l": torch.zeros(1, 32),
        "bundle_emb.two.clip_g": torch.zeros(1, 64),
    }
    adapter = read_adapter(write(tmp_path / "lora.safetensors", tensors), index)
    shapes = {name: {key: tuple(t.shape) for key, t in parts.items()} for name, parts in adapter.embeddings.items()}
    assert shapes == {"one": {"string_to_param.*": (2, 32)}, "two": {"clip_l": (1, 32), "clip_g": (1, 64)}}
    assert adapter.unmatched == ()
    alone = {name: tensor for name, tensor in tensors.items() if name.startswith("bundle_emb")}
    assert set(read_adapter(write(tmp_path / "alone.safetensors", alone), index).embeddings) == {"one", "two"}


def test_parameters_beside_the_weight(index: ModelIndex, tmp_path: Path) -> None:
    block, norm = "lora_unet_down_blocks_0_resnets_0_conv1", "lora_unet_down_blocks_0_resnets_0_norm1"
    tensors = lora(block, (32, 32, 3, 3)) | {
        f"{block}.diff_b": torch.ones(32),
        f"{norm}.w_norm": torch.ones(32),
        f"{norm}.b_norm": torch.ones(32) * 2,
    }
    adapter = read_adapter(write(tmp_path / "lora.safetensors", tensors), index)
    kinds = {target.parameter: [type(change) for change in changes] for target, changes in adapter.changes.items()}
    assert kinds == {
        "down_blocks.0.resnets.0.conv1.weight": [Lora],
        "down_blocks.0.resnets.0.conv1.bias": [Full],
        "down_blocks.0.resnets.0.norm1.weight": [Full],
        "down_blocks.0.resnets.0.norm1.bias": [Full],
    }


def test_what_an_extraction_left_over(index: ModelIndex, tmp_path: Path) -> None:
    name = f"lora_unet_{TO_Q}"
    sparse = {
        f"{name}.bias_indices": torch.tensor([[1, 2], [3, 4]], dtype=torch.int16),
        f"{name}.bias_values": torch.tensor([10.0, 20.0]),
        f"{name}.bias_size": torch.tensor([32, 32], dtype=torch.int16),
    }
    adapter = read_adapter(write(tmp_path / "sparse.safetensors", lora() | sparse), index)
    assert [type(change) for change in adapter.changes[TO_Q_WEIGHT]] == [Lora, Sparse]
    difference = torch.zeros(32, 32)
    difference[1, 3], difference[2, 4] = 10.0, 20.0
    dense = read_adapter(write(tmp_path / "dense.safetensors", lora() | {f"{name}.bias": difference}), index)
    made = [
        changed(torch.zeros(32, 32), [(change, Use(strength=1.0)) for change in one.changes[TO_Q_WEIGHT]])
        for one in (adapter, dense)
    ]
    assert torch.equal(*made)
    assert made[0][2, 4] - made[0][2, 5] > 5


@pytest.mark.parametrize(
    ("key", "shape", "on_input"),
    [("dora_scale", (1, 32), True), ("dora_scale", (32, 1), False), ("lora_magnitude_vector", (32,), False)],
)
def test_magnitudes(key: str, shape: tuple[int, ...], on_input: bool, index: ModelIndex, tmp_path: Path) -> None:
    tensors = lora() | {f"lora_unet_{TO_Q}.{key}": torch.ones(shape)}
    (change,) = read_adapter(write(tmp_path / "dora.safetensors", tensors), index).changes[TO_Q_WEIGHT]
    assert isinstance(change, Dora)
    assert isinstance(change.inner, Lora)
    assert change.on_input == on_input


@pytest.mark.parametrize("dora", [False, True])
def test_network_with_more_input_channels(dora: bool, tmp_path: Path) -> None:
    inpainting = ModelIndex(
        family="SD 1.x",
        shapes=dict(index_of("SD 1.x").shapes) | {CONV_IN: (320, 9, 3, 3)},
        modules=index_of("SD 1.x").modules,
    )
    tensors = kohya_lora(["lora_unet_conv_in"], [(320, 4, 3, 3)])
    if dora:
        tensors["lora_unet_conv_in.dora_scale"] = torch.ones(1, 4, 1, 1)
    adapter = read_adapter(write(tmp_path / "lora.safetensors", tensors), inpainting)
    (change,) = adapter.changes[CONV_IN]
    assert isinstance(change, FirstChannels)
    usual = read_adapter(tmp_path / "lora.safetensors", index_of("SD 1.x")).changes[CONV_IN]
    weight, use = torch.randn(320, 9, 3, 3), Use(strength=0.5)
    made = changed(weight, [(change, use)])
    assert torch.equal(made[:, 4:], weight[:, 4:])
    assert torch.allclose(made[:, :4], changed(weight[:, :4].contiguous(), [(usual[0], use)]), atol=1e-5)


def test_input_projection_is_split(tmp_path: Path) -> None:
    tensors = kohya_lora(["lora_te_transformer_resblocks_1_attn_in_proj"], [(3 * 1024, 1024)])
    adapter = read_adapter(write(tmp_path / "lora.safetensors", tensors), index_of("SD 2.x"))
    up, down = (next(t for name, t in tensors.items() if half in name).float() for half in ("lora_up", "lora_down"))
    whole = 0.5 * up @ down
    for number, part in enumerate(("q", "k", "v")):
        target = Target(component="text_encoder", parameter=f"encoder.layers.1.self_attn.{part}_proj.weight")
        made = changed(torch.zeros(1024, 1024), [(change, Use(strength=1.0)) for change in adapter.changes[target]])
        assert torch.allclose(made, whole[number * 1024 : (number + 1) * 1024], atol=1e-5)


# What is refused.


@pytest.mark.parametrize(
    ("metadata", "family"),
    [
        ({"ss_base_model_version": "sdxl_base_v1-0"}, "SDXL"),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, "SDXL"),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v/lora"}, "SD 2.x"),
        ({"ss_v2": "True"}, "SD 2.x"),
        ({"ss_base_model_version": "flux1"}, "Flux"),
    ],
)
def test_other_family_by_its_own_word(
    metadata: Mapping[str, str], family: str, index: ModelIndex, tmp_path: Path
) -> None:
    path = write(tmp_path / "lora.safetensors", lora(), metadata)
    with pytest.raises(
        ModelFileError, match=f"“lora.safetensors” was made for {family}, and the loaded model is SD 1.x"
    ):
        read_adapter(path, index)


@pytest.mark.parametrize(
    ("family", "name", "width"),
    [
        ("SD 2.x", "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 1024),
        ("SDXL", "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048),
    ],
)
def test_other_family_by_its_shapes(family: str, name: str, width: int, tmp_path: Path) -> None:
    path = write(tmp_path / "lora.safetensors", kohya_lora([name], [(320, width)]))
    with pytest.raises(ModelFileError, match=f"was made for {family}, and the loaded model is SD 1.x"):
        read_adapter(path, index_of("SD 1.x"))


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("Flux", [f"lora_unet_double_blocks_{n}_img_attn_proj" for n in range(9)]),
        ("SD3", [f"transformer.joint_blocks.{n}.x" for n in range(9)]),
        ("SDXL", [f"lora_te2_text_model_encoder_layers_{n}_mlp_fc1" for n in range(9)]),
        ("a network of another kind", [f"lora_unet_blocks_{n}_attn" for n in range(9)]),
    ],
)
def test_other_family_by_its_names(family: str, names: list[str], tmp_path: Path) -> None:
    # The same text encoder as in SD 1.x beside it fits, and is not enough.
    names = ["lora_te_text_model_encoder_layers_0_mlp_fc1", *names]
    path = write(tmp_path / "lora.safetensors", kohya_lora(names, [(3072, 768)] * len(names)))
    with pytest.raises(ModelFileError, match=f"was made for {family}, and the loaded model is SD 1.x"):
        read_adapter(path, index_of("SD 1.x"))


def test_shape_that_does_not_fit_is_named_with_both_sizes(index: ModelIndex, tmp_path: Path) -> None:
    path = write(tmp_path / "lora.safetensors", lora(shape=(32, 48)), SD1_METADATA)
    with pytest.raises(ModelFileError) as caught:
        read_adapter(path, index)
    assert str(caught.value) == (
        f"“lora.safetensors” does not fit the model: its module lora_unet_{TO_Q} "
        "was made as LoRA for a weight of [32, 48], and the model's is [32, 32]."
    )


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.x"], "a checkpoint"),
        (["emb_params"], "an embedding"),
        (["clip_l", "clip_g"], "an embedding"),
        (["768.0.linear.0.weight", "768.1.linear.0.bias"], "a hypernetwork"),
        (["control_model.zero_convs.0.0.weight"], "a ControlNet"),
        (["lllite_unet_input_blocks_4_1.conditioning1.0.weight"], "a ControlNet"),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], "a VAE"),
        (["conv_first.weight"], "an upscaler"),
    ],
)
def test_other_files_are_said_by_name(names: list[str], kind: str, index: ModelIndex, tmp_path: Path) -> None:
    path = write(tmp_path / "file.safetensors", {name: torch.ones(2, 2) for name in names})
    with pytest.raises(ModelFileError, match=rf"“file.safetensors” is {kind}.* not a LoRA\. Move it"):
        read_adapter(path, index)


def test_nothing_known_and_nothing_at_all(index: ModelIndex, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be used as a LoRA: it holds no adapter of a kind that is known"):
        read_adapter(write(tmp_path / "file.safetensors", {"x": torch.ones(2)}), index)
    with pytest.raises(ModelFileError, match="cannot be used as a LoRA: it holds no weights at all"):
        read_adapter(write(tmp_path / "empty.safetensors", {}), index)
    with pytest.raises(ModelFileError, match="no longer"):
        read_adapter(tmp_path / "missing.safetensors", index)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(dtype: torch.dtype, value: float, index: ModelIndex, tmp_path: Path) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in lora().items()}
    name = f"lora_unet_{TO_Q}.lora_up.weight"
    tensors[name][3, 1] = value
    with pytest.raises(ModelFileError, match=f"its tensor {name} holds numbers that are not finite"):
        read_adapter(write(tmp_path / "lora.safetensors", tensors), index)


def test_large_finite_numbers_are_fine(index: ModelIndex, tmp_path: Path) -> None:
    tensors = {name: tensor.float() for name, tensor in lora().items()}
    tensors[f"lora_unet_{TO_Q}.lora_up.weight"].fill_(3e38)
    assert read_adapter(write(tmp_path / "lora.safetensors", tensors), index).changes


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"lora_up.weight": None}, "lora_up is missing"),
        ({"lora_up.weight": torch.ones(32, 3)}, "do not fit together"),
        ({"lora_up.weight": torch.ones(0, 2)}, "is empty"),
        ({"alpha": torch.ones(2)}, r"alpha has the shape \[2\]"),
        ({"dora_scale": torch.ones(31, 1)}, r"dora_scale has the shape \[31, 1\]"),
        ({"bias_values": torch.ones(3)}, "bias_indices is missing"),
    ],
)
def test_damaged_modules(broken: dict[str, Tensor | None], said: str, index: ModelIndex, tmp_path: Path) -> None:
    tensors = dict(lora())
    for part, tensor in broken.items():
        tensors.pop(f"lora_unet_{TO_Q}.{part}", None)
        if tensor is not None:
            tensors[f"lora_unet_{TO_Q}.{part}"] = tensor
    with pytest.raises(ModelFileError, match=f"“lora.safetensors” is damaged.*{TO_Q}.*{said}"):
        read_adapter(write(tmp_path / "lora.safetensors", tensors), index)


def test_kinds_that_mix_rows_cannot_be_split(tmp_path: Path) -> None:
    tensors = {"lora_te_transformer_resblocks_1_attn_in_proj.oft_blocks": torch.ones(3, 1024, 1024)}
    with pytest.raises(ModelFileError, match="cannot be split into queries, keys and values"):
        read_adapter(write(tmp_path / "oft.safetensors", tensors), index_of("SD 2.x"))


def test_truncated_file(index: ModelIndex, tmp_path: Path) -> None:
    path = write(tmp_path / "lora.safetensors", lora())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelFileError, match="truncated"):
        read_adapter(path, index)


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


def test_hostile_pickle_does_not_run(index: ModelIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "lora.pt"
    torch.save({"lora_unet_x.lora_up.weight": _Runs()}, path, pickle_module=pickle)
    with pytest.raises(UnsafeFileError, match="mkdir"):
        read_adapter(path, index)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["", "[1]", "{", json.dumps({"r": "4", "lora_alpha": None, "alpha_pattern": 3})])
def test_damaged_settings_of_peft_say_nothing(text: str, index: ModelIndex, tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in lora().items() if "alpha" not in name}
    path = write(tmp_path / "lora.safetensors", tensors, {"lora_adapter_metadata": text})
    (change,) = read_adapter(path, index).changes[TO_Q_WEIGHT]
    assert isinstance(change, Lora)
    assert change.scale == 1.0
