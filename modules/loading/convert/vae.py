"""Where LDM, and diffusers before version 0.17, keep the modules of diffusers' `AutoencoderKL`."""

from modules.families.architecture import VaeArchitecture

_HALVES = ("encoder", "decoder")
_LDM_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def vae_modules(architecture: VaeArchitecture) -> dict[str, str]:
    """Return the names of modules in diffusers → in LDM (below `first_stage_model.`)."""
    modules = dict[str, str]()
    for half in _HALVES:
        modules[f"{half}.conv_norm_out"] = f"{half}.norm_out"
        modules |= _resnet(f"{half}.mid_block.resnets.0", f"{half}.mid.block_1")
        modules |= _resnet(f"{half}.mid_block.resnets.1", f"{half}.mid.block_2")
        for part, ldm_part in _LDM_ATTENTION.items():
            modules[f"{half}.mid_block.attentions.0.{part}"] = f"{half}.mid.attn_1.{ldm_part}"
    levels = len(architecture.channel_mult)
    for level in range(levels):
        down, ldm_down = f"encoder.down_blocks.{level}", f"encoder.down.{level}"
        for number in range(architecture.num_res_blocks):
            modules |= _resnet(f"{down}.resnets.{number}", f"{ldm_down}.block.{number}")
        modules[f"{down}.downsamplers.0.conv"] = f"{ldm_down}.downsample.conv"
        # LDM counts the decoder's levels from the picture, diffusers from the latent.
        up, ldm_up = f"decoder.up_blocks.{levels - 1 - level}", f"decoder.up.{level}"
        for number in range(architecture.num_res_blocks + 1):
            modules |= _resnet(f"{up}.resnets.{number}", f"{ldm_up}.block.{number}")
        modules[f"{up}.upsamplers.0.conv"] = f"{ldm_up}.upsample.conv"
    return modules


def old_vae_modules() -> dict[str, str]:
    """Return the names of attention modules in diffusers today → in its first versions."""
    return {
        f"{half}.mid_block.attentions.0.{part}": f"{half}.mid_block.attentions.0.{old_part}"
        for half in _HALVES
        for part, old_part in _OLD_ATTENTION.items()
    }


def _resnet(name: str, ldm_name: str) -> dict[str, str]:
    return {f"{name}.conv_shortcut": f"{ldm_name}.nin_shortcut", name: ldm_name}
