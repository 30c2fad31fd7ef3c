"""The tiny checkpoint in the other forms that people have, and in forms that are broken or mean harm.

The diffusers folder is converted by diffusers' own code, so that it can check ours.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.loaders import single_file_utils
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

from tests.tiny_checkpoint import TEXT, TEXT_CONFIG, TEXT_WIDTH

Tensors = dict[str, Tensor]
_Convert = Callable[[Tensors, dict[str, Any]], Tensors]

UNET_CONFIG: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64, 128, 128],
    "layers_per_block": 2,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "attention_head_dim": 8,
    "cross_attention_dim": TEXT_WIDTH,
    "class_embed_type": None,
}
VAE_CONFIG: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [32, 64, 128, 128],
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "scaling_factor": 0.18215,
}
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def write_ckpt(path: Path, tensors: Tensors, *, legacy: bool = False) -> Path:
    """Write a training checkpoint with `torch.save`, in the format before PyTorch 1.6 if `legacy`."""
    content: dict[str, object] = {"epoch": 3, "global_step": 1000, "state_dict": tensors, "lr_schedulers": [[]]}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def convert_with_diffusers(tensors: Tensors) -> tuple[Tensors, Tensors]:
    """Return the weights of UNet and VAE under diffusers' names, renamed by diffusers' own code."""
    module = cast("Any", single_file_utils)  # its functions have no annotations
    convert_unet: _Convert = module.convert_ldm_unet_checkpoint
    convert_vae: _Convert = module.convert_ldm_vae_checkpoint
    return convert_unet(dict(tensors), UNET_CONFIG), convert_vae(dict(tensors), VAE_CONFIG)


def write_diffusers_folder(folder: Path, tensors: Tensors, *, weights: str = "safetensors") -> Path:
    """Write the same model as a folder of diffusers; its weights are `weights`: "safetensors" or "bin"."""
    unet, vae = convert_with_diffusers(tensors)
    text = {
        name.removeprefix("cond_stage_model.transformer."): t for name, t in tensors.items() if name.startswith(TEXT)
    }
    text_name = "model" if weights == "safetensors" else "pytorch_model"
    _write_part(folder / "unet", UNET_CONFIG, unet, f"diffusion_pytorch_model.{weights}")
    _write_part(folder / "vae", VAE_CONFIG, vae, f"diffusion_pytorch_model.{weights}")
    _write_part(folder / "text_encoder", TEXT_CONFIG, text, f"{text_name}.{weights}")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER), encoding="utf-8")
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX), encoding="utf-8")
    return folder


def _write_part(folder: Path, config: dict[str, Any], tensors: Tensors, file: str) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    if file.endswith(".safetensors"):
        save_file(contiguous, folder / file)
    else:
        torch.save(contiguous, folder / file)


class MakesFile:
    """Unpickled by Python's own machine, this makes the file `marker`."""

    def __init__(self, marker: Path) -> None:
        self._code = f"open({str(marker)!r}, 'w').close()"

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self._code,)


def write_malicious_ckpt(path: Path, marker: Path, *, legacy: bool = False) -> Path:
    """Write a checkpoint that would make the file `marker` if its pickle were run."""
    weights = {"model.diffusion_model.out.2.bias": torch.zeros(4)}
    content: dict[str, object] = {"state_dict": weights, "callbacks": [{"deep": MakesFile(marker)}]}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def truncate(path: Path, *, keep: float) -> Path:
    """Cut a file off after a share of its bytes."""
    os.truncate(path, int(path.stat().st_size * keep))
    return path
