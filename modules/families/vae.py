"""The autoencoder between pictures and latents, from diffusers."""

import logging
from typing import Any, Literal, Protocol, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from modules.core.errors import EaselError
from modules.families.architecture import VaeArchitecture
from modules.families.skeleton import skeleton

log = logging.getLogger(__name__)

DECODER_VALUES_PER_PIXEL = 640
"""What the decoder of SD's VAE holds at its peak: 256 channels into the last level's first block, as many normalised,
and 128 out of it, all at full size."""


def build_vae(architecture: VaeArchitecture) -> AutoencoderKL:
    """Return the network without weights (on the meta device)."""
    levels = len(architecture.channel_mult)
    options: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": tuple(architecture.channels * multiplier for multiplier in architecture.channel_mult),
        "layers_per_block": architecture.num_res_blocks,
        "latent_channels": architecture.latent_channels,
    }
    with skeleton():
        return AutoencoderKL(**options)


class _Decoder(Protocol):
    """The part of diffusers' autoencoder that is used here."""

    def decode(self, z: Tensor, return_dict: Literal[False]) -> tuple[Tensor]: ...


class Vae:
    """A loaded autoencoder."""

    def __init__(self, module: AutoencoderKL, *, layout: torch.memory_format) -> None:
        self.module: nn.Module = module
        self._decoder = cast("_Decoder", module)
        self._layout = layout

    def decode(self, latent: Tensor) -> Tensor:
        """Return the picture [1, 3, 8h, 8w] in -1..1, float32, of one latent [1, 4, h, w] as the encoder would make it.

        Some VAEs overflow in 16 bits. Such a one is changed to float32 for good when that is noticed.

        Raises:
            EaselError: there is no picture, because the latent or the weights are no numbers.
        """
        picture = self._decode(latent)
        if not _is_finite(picture) and _is_finite(latent) and self._dtype != torch.float32:
            log.warning("The VAE overflowed in %s; it computes in float32 from now on.", self._dtype)
            self.module.to(torch.float32)
            picture = self._decode(latent)
        if not _is_finite(picture):
            raise EaselError(
                "The checkpoint produced values that are no numbers (NaN), so there is no picture. "
                "Start with --no-half, or choose another checkpoint."
            )
        return picture

    def decoding_bytes(self, width: int, height: int) -> int:
        """Return about how much memory the decoding of a picture of `width` × `height` px takes at its peak."""
        return width * height * DECODER_VALUES_PER_PIXEL * self._dtype.itemsize

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.module.parameters()).dtype

    def _decode(self, latent: Tensor) -> Tensor:
        latent = latent.to(self._dtype, memory_format=self._layout)
        return self._decoder.decode(latent, return_dict=False)[0].float()


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
