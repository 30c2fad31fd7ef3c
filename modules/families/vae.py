"""The autoencoder between pictures and latents, from diffusers."""

import logging
from collections.abc import Callable
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


class _Distribution(Protocol):
    """Diffusers' `DiagonalGaussianDistribution`."""

    mean: Tensor


class _Autoencoder(Protocol):
    """The parts of diffusers' autoencoder that are used here."""

    def encode(self, x: Tensor, return_dict: Literal[False]) -> tuple[_Distribution]: ...

    def decode(self, z: Tensor, return_dict: Literal[False]) -> tuple[Tensor]: ...


class Vae:
    """A loaded autoencoder.

    Some VAEs overflow in 16 bits. Such a one is changed to float32 for good when that is noticed.

    Attributes:
        module: the network.
    """

    def __init__(self, module: AutoencoderKL, *, layout: torch.memory_format) -> None:
        self.module: nn.Module = module
        self._autoencoder = cast("_Autoencoder", module)
        self._layout = layout

    def encode(self, picture: Tensor) -> Tensor:
        """Return the most likely latent [1, 4, H/8, W/8], float32, of one picture [1, 3, H, W] in -1..1.

        A1111 draws one from the distribution around it, which is too narrow to be seen, without a seed.

        Args:
            picture: its sides are multiples of 8 px.

        Raises:
            EaselError: there is none, because the picture or the weights are no numbers.
        """
        return self._without_overflow(self._encode, picture)

    def decode(self, latent: Tensor) -> Tensor:
        """Return the picture [1, 3, 8h, 8w] in -1..1, float32, of one latent [1, 4, h, w] as the encoder would make it.

        Raises:
            EaselError: there is no picture, because the latent or the weights are no numbers.
        """
        return self._without_overflow(self._decode, latent)

    def decoding_bytes(self, width: int, height: int) -> int:
        """Return about how much memory the decoding of a picture of `width` × `height` px takes at its peak."""
        return width * height * DECODER_VALUES_PER_PIXEL * self._dtype.itemsize

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.module.parameters()).dtype

    def _without_overflow(self, compute: Callable[[Tensor], Tensor], given: Tensor) -> Tensor:
        made = compute(given)
        if not _is_finite(made) and _is_finite(given) and self._dtype != torch.float32:
            log.warning("The VAE overflowed in %s; it computes in float32 from now on.", self._dtype)
            self.module.to(torch.float32)
            made = compute(given)
        if not _is_finite(made):
            raise EaselError(
                "The checkpoint produced values that are no numbers (NaN), so there is no picture. "
                "Start with --no-half, or choose another checkpoint."
            )
        return made

    def _encode(self, picture: Tensor) -> Tensor:
        picture = picture.to(self._dtype, memory_format=self._layout)
        return self._autoencoder.encode(picture, return_dict=False)[0].mean.float()

    def _decode(self, latent: Tensor) -> Tensor:
        latent = latent.to(self._dtype, memory_format=self._layout)
        return self._autoencoder.decode(latent, return_dict=False)[0].float()


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
