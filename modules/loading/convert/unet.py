"""Where LDM keeps the modules of diffusers' `UNet2DConditionModel`.

LDM numbers its blocks through (`input_blocks.0` … `output_blocks.11`), diffusers orders them by level.
"""

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
    return {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_in": "input_blocks.0.0",
        **_down(architecture),
        **_resnet("mid_block.resnets.0", "middle_block.0"),
        "mid_block.attentions.0": "middle_block.1",
        **_resnet("mid_block.resnets.1", "middle_block.2"),
        **_up(architecture),
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }


def _down(architecture: UNetArchitecture) -> dict[str, str]:
    modules, index = dict[str, str](), 1
    for level, attends in enumerate(architecture.attention):
        block = f"down_blocks.{level}"
        for number in range(architecture.num_res_blocks):
            modules |= _resnet(f"{block}.resnets.{number}", f"input_blocks.{index}.0")
            if attends:
                modules[f"{block}.attentions.{number}"] = f"input_blocks.{index}.1"
            index += 1
        if level < len(architecture.attention) - 1:
            modules[f"{block}.downsamplers.0.conv"] = f"input_blocks.{index}.0.op"
            index += 1
    return modules


def _up(architecture: UNetArchitecture) -> dict[str, str]:
    modules, index = dict[str, str](), 0
    for level, attends in enumerate(reversed(architecture.attention)):
        block = f"up_blocks.{level}"
        for number in range(architecture.num_res_blocks + 1):
            modules |= _resnet(f"{block}.resnets.{number}", f"output_blocks.{index}.0")
            if attends:
                modules[f"{block}.attentions.{number}"] = f"output_blocks.{index}.1"
            index += 1
        if level < len(architecture.attention) - 1:
            modules[f"{block}.upsamplers.0.conv"] = f"output_blocks.{index - 1}.{2 if attends else 1}.conv"
    return modules


def _resnet(name: str, ldm_name: str) -> dict[str, str]:
    return {f"{name}.{part}": f"{ldm_name}.{ldm_part}" for part, ldm_part in _RESNET.items()}
