"""Writes the demo model in the single-file layout of SD 1.x."""

import json
from pathlib import Path
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.loading.convert.names import renamed
from modules.loading.convert.unet import unet_modules
from modules.loading.convert.vae import vae_modules
from modules.loading.detect import TEXT, UNET, VAE
from tools.demo_model.networks import architecture
from tools.demo_model.world import COLOURS, LANDS, PATTERNS, PLACES, SHAPES, SIZES, STYLES, TIMES

CONTEXT_SHIFT = -0.15
"""About the mean of what the text encoder of SD 1.x returns."""

PROMPTS = (
    "snowy mountains at sunset, the sun on the left, pine trees",
    "a large red heart in the center on a yellow background",
    "the sea at night, the moon on the right",
    "a small blue star on the left on a white background",
    "three yellow moons on a purple background",
    "a large green circle on an orange background, pixel art",
)
"""Suggested on the page; the first one is filled in."""


def metadata() -> dict[str, str]:
    """Return what the file says about itself (https://github.com/Stability-AI/ModelSpec)."""
    words = ", ".join((*COLOURS, *SHAPES, *PLACES, *SIZES, *PATTERNS, *STYLES[1:], *LANDS, *TIMES))
    return {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.implementation": "https://github.com/CompVis/latent-diffusion",
        "modelspec.title": "Easel demo",
        "modelspec.description": "A small model that comes with Easel: shapes before coloured backgrounds, and simple "
        "landscapes. It was trained from nothing on pictures that a program drew.",
        "modelspec.license": "Apache-2.0",
        "modelspec.resolution": "128x128",
        "modelspec.prediction_type": "epsilon",
        "modelspec.trigger_phrase": words,
        "easel.demo": "true",
        "easel.prompts": json.dumps(PROMPTS),
    }


@torch.no_grad()
def shift_context(unet: nn.Module, text: CLIPTextModel, shift: float) -> None:
    """Add `shift` to everything that the text encoder returns, and let the UNet take no notice.

    Emphasis as A1111 does it divides by the mean of the text encoder's vectors. CLIP's is well below 0; a mean that
    happens to be near 0 would make emphasis explode. The keys all move by the same vector, which a softmax does not
    see, and what the values contribute is taken off the output's bias.
    """
    cast("nn.LayerNorm", text.final_layer_norm).bias.add_(shift)
    for name, layer in unet.named_modules():
        if name.endswith("attn2"):
            values, output = layer.get_submodule("to_v"), layer.get_submodule("to_out.0")
            moved = cast("Tensor", values.weight).sum(1) * shift
            cast("Tensor", output.bias).sub_(cast("Tensor", output.weight) @ moved)


def save_checkpoint(path: Path, *, unet: nn.Module, vae: AutoencoderKL, text: CLIPTextModel) -> None:
    """Write the networks to `path` (`.safetensors`, float16, keys of latent-diffusion); changes them as said above."""
    shift_context(unet, text, CONTEXT_SHIFT)
    sizes = architecture()
    tensors = {
        **_renamed(unet, UNET, unet_modules(sizes.unet)),
        **vae_tensors(vae),
        **_renamed(text, f"{TEXT}text_model.", {}),
    }
    save_file(tensors, path, metadata=metadata())
    path.chmod(0o644)  # safetensors makes files that only their owner can read


def vae_tensors(vae: AutoencoderKL) -> dict[str, Tensor]:
    """Return the autoencoder's weights by their names in a checkpoint, float16."""
    tensors = _renamed(vae, VAE, vae_modules(architecture().vae))
    # LDM's VAE attends with 1×1 convolutions where diffusers has linear layers.
    return {
        name: tensor[:, :, None, None] if ".attn_1." in name and tensor.ndim == 2 else tensor
        for name, tensor in tensors.items()
    }


def _renamed(module: nn.Module, prefix: str, names: dict[str, str]) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = dict(module.state_dict())
    return {
        prefix + renamed(name, names): tensor.to("cpu", torch.float16).contiguous() for name, tensor in weights.items()
    }
