"""Checkpoints of SD 2.x and SDXL as folders of diffusers; its own code converts them, so that it can check ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from diffusers.loaders import single_file_utils
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

from tests.recorded_checkpoint import SD2_TEXT, XL_CLIP, XL_OPEN_CLIP, XL_VECTOR
from tests.recorded_weights import TEXT_HEADS, TEXT_INNER, TEXT_LAYERS, TEXT_WIDTH

Tensors = dict[str, Tensor]
Config = dict[str, Any]

_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"

SD2_UNET: Config = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64, 128, 128],
    "layers_per_block": 2,
    "down_block_types": [_CROSS] * 3 + [_PLAIN],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "attention_head_dim": [4, 8, 16, 16],
    "cross_attention_dim": TEXT_WIDTH,
    "use_linear_projection": True,
    "class_embed_type": None,
}
XL_UNET: Config = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64, 128],
    "layers_per_block": 2,
    "down_block_types": [_PLAIN, _CROSS, _CROSS],
    "up_block_types": ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"],
    "transformer_layers_per_block": [1, 1, 2],
    "attention_head_dim": [4, 8, 16],
    "cross_attention_dim": 2 * TEXT_WIDTH,
    "use_linear_projection": True,
    "class_embed_type": None,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": XL_VECTOR,
}
VAE: Config = {
    "block_out_channels": [32, 64, 128, 128],
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
CLIP: Config = {
    "model_type": "clip_text_model",
    "vocab_size": 49408,
    "hidden_size": TEXT_WIDTH,
    "intermediate_size": TEXT_INNER,
    "num_hidden_layers": TEXT_LAYERS,
    "num_attention_heads": TEXT_HEADS,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "projection_dim": TEXT_WIDTH,
    "eos_token_id": 49407,
}
OPEN_CLIP: Config = CLIP | {"hidden_act": "gelu"}
SCHEDULER: Config = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A network of a folder: its configuration and its weights by diffusers' names."""

    config: Config
    tensors: Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What a folder of diffusers holds.

    Attributes:
        parts: the networks by the names of their subfolders.
        scheduler: the scheduler's configuration.
        index: entries of `model_index.json` beside those of the parts.
    """

    parts: Mapping[str, Part]
    scheduler: Config
    index: Config = field(default_factory=dict[str, Any])

    def write(self, folder: Path) -> Path:
        """Write it as `folder`."""
        for name, part in self.parts.items():
            (folder / name).mkdir(parents=True)
            (folder / name / "config.json").write_text(json.dumps(part.config), encoding="utf-8")
            file = "model" if name.startswith("text_encoder") else "diffusion_pytorch_model"
            tensors = {key: tensor.contiguous() for key, tensor in part.tensors.items()}
            save_file(tensors, folder / name / f"{file}.safetensors")
        (folder / "scheduler").mkdir()
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(self.scheduler), encoding="utf-8")
        index = {name: ["library", "Class"] for name in self.parts} | self.index
        (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
        return folder


def as_tensors(arrays: Mapping[str, "np.typing.NDArray[np.generic]"]) -> Tensors:
    """Return the arrays as tensors."""
    return {name: torch.tensor(array) for name, array in arrays.items()}


def sd2_folder(tensors: Tensors) -> Folder:
    """Return `tiny-sd2v` as diffusers has it: without the last layer of the text encoder, which is not used."""
    text = {
        name: tensor
        for name, tensor in _open_clip(tensors, SD2_TEXT).items()
        if f"layers.{TEXT_LAYERS - 1}." not in name and "text_projection" not in name
    }
    return Folder(
        parts={
            "unet": _unet(tensors, SD2_UNET),
            "vae": _vae(tensors, 0.18215),
            "text_encoder": Part(config=OPEN_CLIP | {"num_hidden_layers": TEXT_LAYERS - 1}, tensors=text),
        },
        scheduler=SCHEDULER | {"prediction_type": "v_prediction"},
    )


def sdxl_folder(tensors: Tensors) -> Folder:
    """Return `tiny-sdxl` as diffusers has it."""
    prefix = XL_CLIP.removesuffix("text_model.")
    clip = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix) and not name.endswith("position_ids")
    }
    return Folder(
        parts={
            "unet": _unet(tensors, XL_UNET),
            "vae": _vae(tensors, 0.13025),
            "text_encoder": Part(config=CLIP, tensors=clip),
            "text_encoder_2": Part(config=OPEN_CLIP, tensors=_open_clip(tensors, XL_OPEN_CLIP)),
        },
        scheduler=SCHEDULER | {"prediction_type": "epsilon"},
    )


def _unet(tensors: Tensors, config: Config) -> Part:
    converted = _converter().convert_ldm_unet_checkpoint(dict(tensors), config)
    return Part(config={"_class_name": "UNet2DConditionModel"} | config, tensors=converted)


def _vae(tensors: Tensors, scale: float) -> Part:
    converted = _converter().convert_ldm_vae_checkpoint(dict(tensors), VAE)
    return Part(config={"_class_name": "AutoencoderKL"} | VAE | {"scaling_factor": scale}, tensors=converted)


def _open_clip(tensors: Tensors, prefix: str) -> Tensors:
    sizes = SimpleNamespace(config=SimpleNamespace(hidden_size=TEXT_WIDTH))
    return _converter().convert_open_clip_checkpoint(sizes, tensors, prefix=prefix)


def _converter() -> Any:
    return cast("Any", single_file_utils)  # its functions have no annotations
