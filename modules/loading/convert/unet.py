"""Where LDM keeps the modules of diffusers' `UNet2DConditionModel`.

LDM numbers its blocks through (`input_blocks.0` … `output_blocks.11`), diffusers orders them by level.
"""

from collections.abc import Sequence

from modules.families.architecture import UNetArchitecture

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def unet_modules(architecture: UNetArchitecture) -> dict[str, str]:
    """Return the names of modules in diffusers → in LDM (below `model.diffusion_model.`)."""
    modules = {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "class_embedding.linear_1": "label_emb.0.0",
        "class_embedding.linear_2": "label_emb.0.2",
        "conv_in": "input_blocks.0.0",
        **_down(architecture.depths.down),
        **_up(architecture.depths.up),
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }
    if architecture.depths.middle is not None:
        modules |= _resnet("mid_block.resnets.0", "middle_block.0")
    if architecture.depths.middle:
        modules["mid_block.attentions.0"] = "middle_block.1"
        modules |= _resnet("mid_block.resnets.1", "middle_block.2")
    return modules


def _down(levels: Sequence[Sequence[int]]) -> dict[str, str]:
    modules, index = dict[str, str](), 1
    for level, depths in enumerate(levels):
        block = f"down_blocks.{level}"
        for number, depth in enumerate(depths):
            modules |= _resnet(f"{block}.resnets.{number}", f"input_blocks.{index}.0")
            if depth:
                modules[f"{block}.attentions.{number}"] = f"input_blocks.{index}.1"
            index += 1
        if level < len(levels) - 1:
            modules[f"{block}.downsamplers.0.conv"] = f"input_blocks.{index}.0.op"
            index += 1
    return modules


def _up(levels: Sequence[Sequence[int]]) -> dict[str, str]:
    modules, index = dict[str, str](), 0
    for level, depths in enumerate(levels):
        block = f"up_blocks.{level}"
        for number, depth in enumerate(depths):
            modules |= _resnet(f"{block}.resnets.{number}", f"output_blocks.{index}.0")
            if depth:
                modules[f"{block}.attentions.{number}"] = f"output_blocks.{index}.1"
            index += 1
        if level < len(levels) - 1:
            modules[f"{block}.upsamplers.0.conv"] = f"output_blocks.{index - 1}.{2 if depths[-1] else 1}.conv"
    return modules


def _resnet(name: str, ldm_name: str) -> dict[str, str]:
    return {f"{name}.{part}": f"{ldm_name}.{ldm_part}" for part, ldm_part in _RESNET.items()}
