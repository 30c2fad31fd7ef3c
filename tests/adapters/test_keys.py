"""The names that other tools give to modules, written by their rules."""

import re

import pytest
import torch
from torch import nn

from modules.adapters.keys import Target
from tests.adapters.networks import components, index_of, named_modules

SD1, SD2, XL = "SD 1.x", "SD 2.x", "SDXL"


def kohya_names(network: nn.Module, prefix: str, parents: tuple[str, ...]) -> dict[str, str]:
    """The modules for which sd-scripts makes a LoRA: linear layers and convolutions of kernel 1 in modules of certain
    classes; their names in its files → their paths.
    """
    names: dict[str, str] = {}
    for parent_name, parent in named_modules(network):
        if type(parent).__name__ in parents:
            for name, layer in named_modules(parent):
                if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)):
                    path = f"{parent_name}.{name}"
                    names[f"{prefix}_{path}".replace(".", "_")] = path
    return names


def kohya_text_names(network: nn.Module, prefix: str) -> dict[str, str]:
    """Likewise for a text encoder, which has one more level in the transformers that sd-scripts uses."""
    return kohya_names(network, f"{prefix}_text_model", ("CLIPAttention", "CLIPMLP"))


@pytest.mark.parametrize(("family", "modules", "text_modules"), [(SD1, 192, 72), (SD2, 192, 144)])
def test_kohya_names_of_sd1_and_sd2(family: str, modules: int, text_modules: int) -> None:
    networks, index = components(family), index_of(family)
    unet = kohya_names(networks["unet"], "lora_unet", ("Transformer2DModel",))
    text = kohya_text_names(networks["text_encoder"], "lora_te")
    assert (len(unet), len(text)) == (modules, text_modules)
    for component, names in (("unet", unet), ("text_encoder", text)):
        for name, path in names.items():
            assert [(match.component, match.module) for match in index.find(name)] == [(component, path)], name


SGM_TRANSFORMERS = (
    ("input_blocks_4_1", "down_blocks.1.attentions.0", 2),
    ("input_blocks_5_1", "down_blocks.1.attentions.1", 2),
    ("input_blocks_7_1", "down_blocks.2.attentions.0", 10),
    ("input_blocks_8_1", "down_blocks.2.attentions.1", 10),
    ("middle_block_1", "mid_block.attentions.0", 10),
    ("output_blocks_0_1", "up_blocks.0.attentions.0", 10),
    ("output_blocks_1_1", "up_blocks.0.attentions.1", 10),
    ("output_blocks_2_1", "up_blocks.0.attentions.2", 10),
    ("output_blocks_3_1", "up_blocks.1.attentions.0", 2),
    ("output_blocks_4_1", "up_blocks.1.attentions.1", 2),
    ("output_blocks_5_1", "up_blocks.1.attentions.2", 2),
)
"""Where sgm and diffusers keep the transformers of SDXL, and how many blocks they have."""


def kohya_sdxl_names() -> dict[str, str]:
    """The 722 modules of SDXL's UNet for which sd-scripts makes a LoRA, which it calls by sgm's names."""
    layers = [f"attn{n}.{layer}" for n in (1, 2) for layer in ("to_q", "to_k", "to_v", "to_out.0")]
    layers += ["ff.net.0.proj", "ff.net.2"]
    names: dict[str, str] = {}
    for sgm, ours, depth in SGM_TRANSFORMERS:
        for end in ("proj_in", "proj_out"):
            names[f"lora_unet_{sgm}_{end}"] = f"{ours}.{end}"
        for block in range(depth):
            for layer in layers:
                path = f"transformer_blocks.{block}.{layer}"
                names[f"lora_unet_{sgm}_{path}".replace(".", "_")] = f"{ours}.{path}"
    return names


def test_kohya_names_of_sdxl() -> None:
    networks, index = components(XL), index_of(XL)
    first = kohya_text_names(networks["text_encoder"], "lora_te1")
    second = kohya_text_names(networks["text_encoder_2"], "lora_te2")
    unet = kohya_sdxl_names()
    assert (len(unet), len(first), len(second)) == (722, 72, 192)
    for component, names in (("unet", unet), ("text_encoder", first), ("text_encoder_2", second)):
        for name, path in names.items():
            assert [(match.component, match.module) for match in index.find(name)] == [(component, path)], name


@pytest.mark.parametrize(
    ("family", "ldm", "path"),
    [
        (SD1, "time_embed_0", "time_embedding.linear_1"),
        (SD1, "input_blocks_0_0", "conv_in"),
        (SD1, "input_blocks_1_0_in_layers_2", "down_blocks.0.resnets.0.conv1"),
        (SD1, "input_blocks_4_0_skip_connection", "down_blocks.1.resnets.0.conv_shortcut"),
        (SD1, "input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        (SD1, "input_blocks_11_0_emb_layers_1", "down_blocks.3.resnets.1.time_emb_proj"),
        (SD1, "input_blocks_1_1_norm", "down_blocks.0.attentions.0.norm"),
        (SD1, "middle_block_1_transformer_blocks_0_norm2", "mid_block.attentions.0.transformer_blocks.0.norm2"),
        (SD1, "middle_block_2_out_layers_3", "mid_block.resnets.1.conv2"),
        (SD1, "output_blocks_2_1_conv", "up_blocks.0.upsamplers.0.conv"),
        (SD1, "output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
        (SD1, "output_blocks_11_1_proj_in", "up_blocks.3.attentions.2.proj_in"),
        (SD1, "out_0", "conv_norm_out"),
        (SD1, "out_2", "conv_out"),
        (XL, "label_emb_0_0", "class_embedding.linear_1"),
        (XL, "input_blocks_6_0_op", "down_blocks.1.downsamplers.0.conv"),
        (XL, "output_blocks_2_2_conv", "up_blocks.0.upsamplers.0.conv"),
        (XL, "output_blocks_8_0_in_layers_2", "up_blocks.2.resnets.2.conv1"),
    ],
)
@pytest.mark.parametrize(
    "prefix", ["lora_unet_", "oft_unet_", "lycoris_", "diffusion_model.", "model.diffusion_model."]
)
def test_ldm_names_of_all_sorts_of_modules(family: str, ldm: str, path: str, prefix: str) -> None:
    name = re.sub(r"_(?=\d|in_layers|out_layers|emb_layers|op|conv$)", ".", ldm) if prefix.endswith(".") else ldm
    assert [match.module for match in index_of(family).find(prefix + name)] == [path]


@pytest.mark.parametrize(
    ("family", "name", "component", "path"),
    [
        (SD1, "unet.mid_block.resnets.0.conv1", "unet", "mid_block.resnets.0.conv1"),
        (SD1, "mid_block.resnets.0.conv1", "unet", "mid_block.resnets.0.conv1"),
        (SD1, "base_model.model.mid_block.resnets.0.conv1", "unet", "mid_block.resnets.0.conv1"),
        (SD1, "unet.base_model.model.mid_block.resnets.0.conv1", "unet", "mid_block.resnets.0.conv1"),
        (SD1, "lycoris_mid_block_resnets_0_conv1", "unet", "mid_block.resnets.0.conv1"),
        (XL, "lora_unet_add_embedding_linear_2", "unet", "class_embedding.linear_2"),
        (
            SD1,
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out",
            "unet",
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0",
        ),
        (SD1, "text_encoder.text_model.encoder.layers.3.mlp.fc1", "text_encoder", "encoder.layers.3.mlp.fc1"),
        (SD1, "base_model.model.text_model.encoder.layers.3.mlp.fc1", "text_encoder", "encoder.layers.3.mlp.fc1"),
        (SD1, "base_model.model.encoder.layers.3.mlp.fc1", "text_encoder", "encoder.layers.3.mlp.fc1"),
        (SD1, "lycoris_text_model_encoder_layers_3_mlp_fc1", "text_encoder", "encoder.layers.3.mlp.fc1"),
        (SD1, "lora_te1_text_model_encoder_layers_3_mlp_fc1", "text_encoder", "encoder.layers.3.mlp.fc1"),
        (
            SD1,
            "text_encoder.text_model.encoder.layers.3.self_attn.to_q",
            "text_encoder",
            "encoder.layers.3.self_attn.q_proj",
        ),
        (XL, "text_encoder_2.text_model.encoder.layers.31.mlp.fc1", "text_encoder_2", "encoder.layers.31.mlp.fc1"),
        (XL, "text_encoder_2.text_projection", "text_encoder_2", "text_projection"),
        (
            XL,
            "text_encoders.clip_g.transformer.text_model.encoder.layers.31.mlp.fc1",
            "text_encoder_2",
            "encoder.layers.31.mlp.fc1",
        ),
        (XL, "text_encoders.clip_l.transformer.text_model.final_layer_norm", "text_encoder", "final_layer_norm"),
        (SD2, "lora_te_transformer_resblocks_5_mlp_c_proj", "text_encoder", "encoder.layers.5.mlp.fc2"),
        (SD2, "lora_te_transformer_resblocks_5_attn_out_proj", "text_encoder", "encoder.layers.5.self_attn.out_proj"),
        (SD2, "lora_te_transformer_resblocks_5_ln_1", "text_encoder", "encoder.layers.5.layer_norm1"),
    ],
)
def test_other_spellings(family: str, name: str, component: str, path: str) -> None:
    assert [(match.component, match.module, match.third) for match in index_of(family).find(name)] == [
        (component, path, None)
    ]


def test_input_projection_of_open_clip_is_three_modules() -> None:
    found = index_of(SD2).find("lora_te_transformer_resblocks_5_attn_in_proj")
    assert {(match.module, match.third) for match in found} == {
        ("encoder.layers.5.self_attn.q_proj", 0),
        ("encoder.layers.5.self_attn.k_proj", 1),
        ("encoder.layers.5.self_attn.v_proj", 2),
    }


@pytest.mark.parametrize(
    "name",
    [
        "lora_te2_text_model_encoder_layers_0_mlp_fc1",  # of SDXL
        "lora_unet_double_blocks_0_img_attn_proj",  # of Flux
        "lora_te_mid_block_resnets_0_conv1",
        "lora_unet_mid_block_resnets_0_conv3",
        "",
    ],
)
def test_unknown_names(name: str) -> None:
    assert index_of(SD1).find(name) == ()


@pytest.mark.parametrize("family", [SD1, SD2, XL])
def test_every_parameter_is_meant_by_one_name_only(family: str) -> None:
    index = index_of(family)
    networks = components(family)
    shapes = {
        Target(component=component, parameter=name): tuple(parameter.shape)
        for component, network in networks.items()
        for name, parameter in network.named_parameters()
    }
    assert index.shapes == shapes
    for component, network in networks.items():
        for name, module in named_modules(network):
            if isinstance(getattr(module, "weight", None), torch.Tensor):
                assert [match.module for match in index.find(f"{component}.{name}")] == [name]
