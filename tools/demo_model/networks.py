"""The demo model's networks: made new for training, and put together to the file that ships."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPTextModel

from modules.core.paths import PROJECT_ROOT
from modules.families.architecture import ModelArchitecture
from modules.families.clip import build_clip_text
from modules.families.unet import build_unet
from modules.families.vae import build_vae
from modules.loading.ldm_config import read_ldm_config

Network = TypeVar("Network", bound=nn.Module)

CHECKPOINT = PROJECT_ROOT / "models" / "Stable-diffusion" / "easel-demo.safetensors"


@cache
def architecture() -> ModelArchitecture:
    """Return the sizes of the networks, from the yaml that ships beside the model."""
    return read_ldm_config(CHECKPOINT.with_suffix(".yaml"))


def new_vae(seed: int) -> AutoencoderKL:
    """Return an autoencoder with random weights."""
    return _initialised(build_vae(architecture().vae), seed)


def new_unet(seed: int) -> nn.Module:
    """Return a UNet with random weights, whose prediction is 0 at first."""
    unet = _initialised(build_unet(architecture().unet), seed)
    last = cast("nn.Conv2d", unet.get_submodule("conv_out"))
    nn.init.zeros_(last.weight)
    return unet


def new_text_encoder(seed: int) -> CLIPTextModel:
    """Return a text encoder with random weights."""
    encoder = _initialised(build_clip_text(architecture().texts[0]), seed)
    for name, parameter in encoder.named_parameters():
        if "embedding" in name:
            nn.init.normal_(parameter, std=0.05)
    return encoder


def posterior_mean(vae: nn.Module, images: Tensor) -> Tensor:
    """Return the latents [B, 4, H/8, W/8], not scaled, of images [B, 3, H, W] in -1..1, without posterior noise."""
    return cast("Any", vae).encode(images).latent_dist.mean


def _initialised(network: Network, seed: int) -> Network:
    """Give a network that has no memory yet its memory, and every layer its usual random weights."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers() if not buffer.is_meta}
    network.to_empty(device="cpu")
    for name, buffer in network.named_buffers():
        buffer.copy_(buffers[name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in network.modules():
            if callable(reset := getattr(layer, "reset_parameters", None)):
                cast("Callable[[], None]", reset)()
    for parameter in network.requires_grad_(True).parameters():
        if parameter.ndim == 4:  # convolutions on a CPU are several times faster in this order
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
