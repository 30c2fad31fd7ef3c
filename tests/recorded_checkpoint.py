"""The tiny checkpoints of the recordings in `tests/data`, bit for bit, each with its yaml and what the yaml names."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from tests.recorded_weights import (
    POSITIONS,
    TEXT_HEADS,
    TEXT_INNER,
    TEXT_LAYERS,
    TEXT_WIDTH,
    VOCABULARY,
    UNetPlan,
    Weights,
    draw_clip,
    draw_open_clip,
    draw_unet,
    draw_vae,
    noise_schedule,
)

Arrays = dict[str, npt.NDArray[np.generic]]

SD1_TEXT = "cond_stage_model.transformer.text_model."
SD2_TEXT = "cond_stage_model.model."
XL_CLIP, XL_OPEN_CLIP = "conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.1.model."
XL_VECTOR = TEXT_WIDTH + 6 * 256

_AUTOENCODER = """\
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig: {double_z: true, z_channels: 4, resolution: 256, in_channels: 3, out_ch: 3, ch: 32,
          ch_mult: [1, 2, 4, 4], num_res_blocks: 2, attn_resolutions: [], dropout: 0.0}
"""

_LDM = (
    """\
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    linear_end: 0.0120
    timesteps: 1000
    channels: 4
    conditioning_key: crossattn
    scale_factor: 0.18215
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        in_channels: 4
        out_channels: 4
        model_channels: 32
        attention_resolutions: [4, 2, 1]
        num_res_blocks: 2
        channel_mult: [1, 2, 4, 4]
        num_heads: 8
        use_spatial_transformer: True
        transformer_depth: 1
        context_dim: 64
"""
    + _AUTOENCODER
)

SD1_YAML = (
    _LDM
    + """\
    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenCLIPEmbedder
      params:
        version: clip-tiny
"""
)

SD1_INPAINTING_YAML = SD1_YAML.replace(" in_channels: 4\n", " in_channels: 9\n").replace("crossattn", "hybrid")

SD2_V_YAML = (
    _LDM.replace("  params:\n    linear", '  params:\n    parameterization: "v"\n    linear').replace(
        "num_heads: 8", "num_head_channels: 8\n        use_linear_in_transformer: True"
    )
    + """\
    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder
      params:
        arch: "tiny-openclip"
        freeze: True
        layer: "penultimate"
"""
)

XL_YAML = (
    f"""\
model:
  target: sgm.models.diffusion.DiffusionEngine
  params:
    scale_factor: 0.13025
    disable_first_stage_autocast: True
    denoiser_config:
      target: sgm.modules.diffusionmodules.denoiser.DiscreteDenoiser
      params:
        num_idx: 1000
        weighting_config:
          target: sgm.modules.diffusionmodules.denoiser_weighting.EpsWeighting
        scaling_config:
          target: sgm.modules.diffusionmodules.denoiser_scaling.EpsScaling
        discretization_config:
          target: sgm.modules.diffusionmodules.discretizer.LegacyDDPMDiscretization
    network_config:
      target: sgm.modules.diffusionmodules.openaimodel.UNetModel
      params:
        adm_in_channels: {XL_VECTOR}
        num_classes: sequential
        in_channels: 4
        out_channels: 4
        model_channels: 32
        attention_resolutions: [4, 2]
        num_res_blocks: 2
        channel_mult: [1, 2, 4]
        num_head_channels: 8
        use_spatial_transformer: True
        use_linear_in_transformer: True
        transformer_depth: [1, 1, 2]
        context_dim: 128
    conditioner_config:
      target: sgm.modules.GeneralConditioner
      params:
        emb_models:
          - is_trainable: False
            input_key: txt
            target: sgm.modules.encoders.modules.FrozenCLIPEmbedder
            params: {{version: clip-tiny, layer: hidden, layer_idx: 3}}
          - is_trainable: False
            input_key: txt
            target: sgm.modules.encoders.modules.FrozenOpenCLIPEmbedder2
            params: {{arch: tiny-openclip, version: laion2b_s39b_b160k, freeze: True, layer: penultimate,
              always_return_pooled: True, legacy: False}}
          - is_trainable: False
            input_key: original_size_as_tuple
            target: sgm.modules.encoders.modules.ConcatTimestepEmbedderND
            params: {{outdim: 256}}
          - is_trainable: False
            input_key: crop_coords_top_left
            target: sgm.modules.encoders.modules.ConcatTimestepEmbedderND
            params: {{outdim: 256}}
          - is_trainable: False
            input_key: target_size_as_tuple
            target: sgm.modules.encoders.modules.ConcatTimestepEmbedderND
            params: {{outdim: 256}}
"""
    + _AUTOENCODER
)


def recorded_sd1(salt: str = "", *, in_channels: int = 4) -> Arrays:
    """Return the tensors of `tiny-sd1`, or of another SD 1.x checkpoint that is drawn with `salt`."""
    weights = Weights(salt)
    draw_unet(weights, UNetPlan(in_channels=in_channels))
    draw_vae(weights)
    draw_clip(weights, SD1_TEXT)
    return _halved(weights) | noise_schedule() | {SD1_TEXT + "embeddings.position_ids": _positions()}


def recorded_sd2_v() -> Arrays:
    """Return the tensors of `tiny-sd2v`."""
    weights = Weights("sd2/")
    draw_unet(weights, UNetPlan(linear=True, pass_gain=0.4, net_gain=0.5))
    draw_vae(weights)
    draw_open_clip(weights, SD2_TEXT)
    mask = np.triu(np.full((POSITIONS, POSITIONS), -np.inf, dtype=np.float32), 1)
    return _halved(weights) | {SD2_TEXT + "attn_mask": mask} | noise_schedule()


def recorded_sdxl() -> Arrays:
    """Return the tensors of `tiny-sdxl`."""
    weights = Weights("xl/")
    plan = UNetPlan(
        multipliers=(1, 2, 4), depths={1: 1, 2: 2}, context=2 * TEXT_WIDTH, vector=XL_VECTOR, linear=True, net_gain=0.3
    )
    draw_unet(weights, plan)
    draw_vae(weights)
    draw_clip(weights, XL_CLIP)
    draw_open_clip(weights, XL_OPEN_CLIP)
    return _halved(weights) | {XL_CLIP + "embeddings.position_ids": _positions()}


def write_recorded_checkpoint(folder: Path) -> Path:
    """Write `tiny-sd1.safetensors` (sha256 bb64a9c9c4…) and what belongs to it into `folder`."""
    return write_recorded(folder / "tiny-sd1.safetensors", recorded_sd1(), SD1_YAML)


def write_recorded_inpainting(folder: Path) -> Path:
    """Write `tiny-sd1-inpainting.safetensors` and what belongs to it into `folder`."""
    tensors = recorded_sd1("inp/", in_channels=9)
    return write_recorded(folder / "tiny-sd1-inpainting.safetensors", tensors, SD1_INPAINTING_YAML)


def write_recorded_sd2_v(folder: Path) -> Path:
    """Write `tiny-sd2v.safetensors` and what belongs to it into `folder`."""
    return write_recorded(folder / "tiny-sd2v.safetensors", recorded_sd2_v(), SD2_V_YAML)


def write_recorded_sdxl(folder: Path) -> Path:
    """Write `tiny-sdxl.safetensors` and what belongs to it into `folder`."""
    return write_recorded(folder / "tiny-sdxl.safetensors", recorded_sdxl(), XL_YAML)


def write_recorded(path: Path, tensors: Arrays, config: str) -> Path:
    """Write a checkpoint, its yaml and the sizes of the text encoders that yamls name; return the checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"format": "pt"})
    path.with_suffix(".yaml").write_text(config, encoding="utf-8")
    clip = {
        "model_type": "clip_text_model",
        "vocab_size": VOCABULARY,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": TEXT_INNER,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": TEXT_HEADS,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": TEXT_WIDTH,
    }
    (path.parent / "clip-tiny").mkdir(exist_ok=True)
    (path.parent / "clip-tiny" / "config.json").write_text(json.dumps(clip), encoding="utf-8")
    text = {"width": TEXT_WIDTH, "heads": TEXT_HEADS, "layers": TEXT_LAYERS}
    open_clip = {"embed_dim": TEXT_WIDTH, "text_cfg": text}
    (path.parent / "tiny-openclip.json").write_text(json.dumps(open_clip), encoding="utf-8")
    return path


def _halved(weights: Weights) -> Arrays:
    return {name: np.ascontiguousarray(tensor.astype(np.float16)) for name, tensor in weights.items()}


def _positions() -> npt.NDArray[np.int64]:
    return np.arange(POSITIONS, dtype=np.int64)[None]
