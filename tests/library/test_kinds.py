"""Kinds of files by the names that the programs write which make them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from modules.library.kinds import Content, ModelKind, Shape, kind_of_names, recognise
from modules.library.safetensors_header import read_header

ROOT = Path(__file__).parents[2]

UNET = "model.diffusion_model."
TO_K = UNET + "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
SD1_TEXT, SD2_TEXT = "cond_stage_model.transformer.text_model.x", "cond_stage_model.model.transformer.x"
SDXL_TEXTS = ("conditioner.embedders.0.transformer.text_model.x", "conditioner.embedders.1.model.x")
KOHYA_UNET = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
KOHYA_TEXT = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
PEFT_UNET = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"


def of(shapes: Mapping[str, Shape]) -> Content:
    return recognise(shapes, lambda name: shapes[name])


def lora(module: str, width: int, rank: int = 8, down: str = ".lora_down.weight") -> dict[str, Shape]:
    return {module + ".alpha": (), module + down: (rank, width), module + down.replace("down", "up"): (320, rank)}


@pytest.mark.parametrize(
    ("shapes", "family", "algorithm", "rank"),
    [
        (lora(KOHYA_UNET, 768), "SD 1.x", "LoRA", 8),
        (lora(KOHYA_UNET, 1024, 4), "SD 2.x", "LoRA", 4),
        (lora(KOHYA_UNET, 2048, 128), "SDXL", "LoRA", 128),
        (lora(KOHYA_UNET, 1280), "SDXL refiner", "LoRA", 8),
        (lora(KOHYA_UNET, 80), "", "LoRA", 8),
        (lora(KOHYA_TEXT, 768), "SD 1.x", "LoRA", 8),
        (lora(KOHYA_TEXT, 1024), "SD 2.x", "LoRA", 8),
        (lora(KOHYA_TEXT.replace("te_", "te2_", 1), 1280), "SDXL", "LoRA", 8),
        (lora("lora_unet_input_blocks_8_1_transformer_blocks_9_attn1_to_k", 1280), "SDXL", "LoRA", 8),
        (lora(KOHYA_UNET, 768, 4) | lora("lora_unet_x", 9, 4) | lora("lora_unet_y", 9, 16), "SD 1.x", "LoRA", 4),
        (lora(KOHYA_UNET, 768) | {KOHYA_UNET + ".dora_scale": (1, 320)}, "SD 1.x", "DoRA", 8),
        ({PEFT_UNET + ".lora_A.weight": (16, 768), PEFT_UNET + ".lora_B.weight": (320, 16)}, "SD 1.x", "LoRA", 16),
        ({PEFT_UNET + ".lora.down.weight": (16, 1024), PEFT_UNET + ".lora.up.weight": (9, 16)}, "SD 2.x", "LoRA", 16),
        ({KOHYA_UNET + ".hada_w1_a": (320, 8), KOHYA_UNET + ".hada_w1_b": (8, 768)}, "SD 1.x", "LoHa", 8),
        ({KOHYA_UNET + ".lokr_w1": (8, 8), KOHYA_UNET + ".lokr_w2": (40, 96)}, "", "LoKr", None),
        ({"oft_unet_x.oft_blocks": (4, 80, 80)}, "", "OFT", None),
        ({KOHYA_UNET + ".weight": (320, 1), KOHYA_UNET + ".on_input": ()}, "", "IA3", None),
        ({KOHYA_UNET + ".a1.weight": (8, 320), KOHYA_UNET + ".b1.weight": (8, 320)}, "", "GLoRA", None),
        ({"lora_unet_x.diff": (320, 320), "lora_unet_x.diff_b": (320,)}, "", "full", None),
        (lora("lora_unet_double_blocks_0_img_attn_qkv", 3072) | lora("lora_te1_x", 768), "Flux", "LoRA", 8),
        ({"transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight": (4, 3072)}, "Flux", "LoRA", 4),
        (lora("lora_unet_joint_blocks_0_x_block_attn_qkv", 1536), "SD3", "LoRA", 8),
    ],
)
def test_loras(shapes: dict[str, Shape], family: str, algorithm: str, rank: int | None) -> None:
    assert of(shapes) == Content(kind=ModelKind.LORA, family=family, algorithm=algorithm, rank=rank)


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        ({TO_K: (320, 768), SD1_TEXT: (1,)}, "SD 1.x"),
        ({TO_K: (320, 80), SD1_TEXT: (1,)}, "SD 1.x"),
        ({TO_K: (320, 1024), SD2_TEXT: (1,)}, "SD 2.x"),
        ({TO_K: (640, 2048), **dict.fromkeys(SDXL_TEXTS, (1,))}, "SDXL"),
        ({UNET + "x": (1,), **dict.fromkeys(SDXL_TEXTS, (1,))}, "SDXL"),
        ({TO_K: (640, 1280), "conditioner.embedders.0.model.x": (1,)}, "SDXL refiner"),
        ({TO_K: (640, 1024), "conditioner.embedders.0.model.x": (1,)}, "SD 2.x"),
        ({UNET + "joint_blocks.0.x": (1,)}, "SD3"),
        ({"double_blocks.0.img_attn.qkv.weight": (1,)}, "Flux"),
        ({"model_ema.diffusion_modelinput_blocks00weight": (1,), SD1_TEXT: (1,)}, "SD 1.x"),
        ({UNET + "x": (1,)}, ""),
    ],
)
def test_checkpoints(shapes: dict[str, Shape], family: str) -> None:
    names = {**shapes, "first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3)}
    assert of(names) == Content(kind=ModelKind.CHECKPOINT, family=family)


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        ({"emb_params": (8, 768)}, "SD 1.x"),
        ({"string_to_param.*": (2, 1024)}, "SD 2.x"),
        ({"clip_l": (4, 768), "clip_g": (4, 1280)}, "SDXL"),
        ({"<my-cat>": (768,)}, "SD 1.x"),
        ({"anything at all": (3, 768)}, "SD 1.x"),
        ({"emb_params": (2, 80)}, ""),
        ({"emb_params": ()}, ""),
    ],
)
def test_embeddings(shapes: dict[str, Shape], family: str) -> None:
    assert of(shapes) == Content(kind=ModelKind.EMBEDDING, family=family)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["first_stage_model.encoder.conv_in.weight"], ModelKind.VAE),
        (["decoder.conv_in.bias", "encoder.down.0.block.0.conv1.weight"], ModelKind.VAE),
        (["768.0.linear.0.weight", "768.1.linear.0.weight"], ModelKind.HYPERNETWORK),
        (["conv_first.weight", "body.0.rdb1.conv1.weight"], ModelKind.UPSCALER),
        (["params_ema.body.0.weight"], ModelKind.UPSCALER),
        (["model.1.sub.0.RDB1.conv1.0.weight"], ModelKind.UPSCALER),
        (["layers.0.residual_group.blocks.0.attn.qkv.weight"], ModelKind.UPSCALER),
        (["control_model.input_blocks.0.0.weight"], ModelKind.CONTROLNET),
        (["controlnet_cond_embedding.conv_in.weight", "down_blocks.0.x"], ModelKind.CONTROLNET),
        (["lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_k.down.0.weight"], ModelKind.CONTROLNET),
        (["lora_controlnet", "input_blocks.0.0.weight"], ModelKind.CONTROLNET),
        (["text_model.embeddings.token_embedding.weight"], ModelKind.TEXT_ENCODER),
        (["encoder.block.0.layer.0.SelfAttention.k.weight"], ModelKind.TEXT_ENCODER),
        (["down_blocks.0.resnets.0.conv1.weight"], ModelKind.NETWORK),
        (["fc.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight"], ModelKind.UNKNOWN),
        ([], ModelKind.UNKNOWN),
    ],
)
def test_other_kinds(names: list[str], kind: ModelKind) -> None:
    assert kind_of_names("\n".join(names)) is kind
    assert of(dict.fromkeys(names, (64, 64, 3, 3))).kind is kind


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("models/Stable-diffusion/easel-demo.safetensors", ModelKind.CHECKPOINT),
        ("models/Lora/easel-house.safetensors", ModelKind.LORA),
        ("models/VAE/easel-sepia.safetensors", ModelKind.VAE),
        ("embeddings/easel-moonlight.safetensors", ModelKind.EMBEDDING),
    ],
)
def test_the_files_that_ship_with_the_project(file: str, kind: ModelKind) -> None:
    header = read_header(ROOT / file)
    assert header
    assert recognise(header.tensors, header.shape).kind is kind


def test_a_hostile_name_takes_no_time() -> None:
    """A million characters were looked at a million times; the suite's time limit would end that."""
    name = "up_block" * 125_000
    assert recognise([name + ".lora_up.weight"], lambda _: (1, 1)).kind is ModelKind.LORA
