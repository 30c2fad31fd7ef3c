"""The autoencoder between pictures and latents, from diffusers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from modules.core.errors import EaselError
from modules.families.architecture import VaeArchitecture
from modules.families.skeleton import skeleton
from modules.families.vae_tiles import decode_in_tiles, encode_in_tiles

log = logging.getLogger(__name__)

VALUES_PER_PIXEL = 1024
"""What the decoder of SD's VAE, which is the greater half, holds at its peak on a CPU: 256 channels into the last
level's first block, as many normalised, as many through its activation and as many put in order for its convolution,
all at full size."""

VALUES_PER_PIXEL_TILED = 192
"""The same of the levels that see the whole picture if it computes in tiles."""

VALUES_BESIDE_TILES = 32
"""What these levels have made, or will be given, per pixel: 512 channels of a quarter of its size."""

VALUES_OF_A_TILE = 260_000_000
"""What the other levels hold at their peak (measured)."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeOptions:
    """How an autoencoder may help itself.

    Attributes:
        retry_in: number formats to change to when its own overflows, in this order.
        tiled: it computes in tiles, which takes less memory and more time, and changes pictures a little.
        check: called before each tile; what it raises ends the work.
    """

    retry_in: tuple[torch.dtype, ...] = (torch.float32,)
    tiled: bool = False
    check: Callable[[], None] = lambda: None


USUAL = VaeOptions()


class Vae:
    """A loaded autoencoder.

    Some overflow in 16 bits. Such a one is changed to another number format for good, so that only one picture is
    computed twice.

    Attributes:
        module: the network.
        changed_to: the number format to which it was changed, None if it computes as it was loaded.
    """

    def __init__(self, module: AutoencoderKL, *, layout: torch.memory_format) -> None:
        self.module: nn.Module = module
        self.changed_to: torch.dtype | None = None
        self._autoencoder = cast("_Autoencoder", module)
        self._layout = layout

    @property
    def dtype(self) -> torch.dtype:
        """The number format in which it computes."""
        return next(self.module.parameters()).dtype

    def encode(self, picture: Tensor, options: VaeOptions = USUAL) -> Tensor:
        """Return the most likely latent [1, 4, H/8, W/8], float32, of one picture [1, 3, H, W] in -1..1.

        A1111 draws one from the distribution around it, which is too narrow to be seen, without a seed.

        Args:
            picture: its sides are multiples of 8 px.
            options: what to do where that fails.

        Raises:
            EaselError: there is none, because the picture or what is made of it are no numbers.
        """
        return self._without_overflow(self._encode, picture, options)

    def decode(self, latent: Tensor, options: VaeOptions = USUAL) -> Tensor:
        """Return the picture [1, 3, 8h, 8w] in -1..1, float32, of one latent [1, 4, h, w] as the encoder would make it.

        Args:
            latent: likewise.
            options: what to do where that fails.

        Raises:
            EaselError: there is no picture, because the latent or what is made of it are no numbers.
        """
        return self._without_overflow(self._decode, latent, options)

    def working_bytes(self, width: int, height: int, *, tiled: bool = False) -> int:
        """Return about how much memory it takes at its peak for a picture of `width` × `height` px."""
        pixels = width * height
        values = VALUES_PER_PIXEL * pixels
        if tiled:
            part_by_part = max(VALUES_PER_PIXEL_TILED * pixels, VALUES_BESIDE_TILES * pixels + VALUES_OF_A_TILE)
            values = min(values, part_by_part)
        return values * self.dtype.itemsize

    def _without_overflow(
        self, compute: Callable[[Tensor, VaeOptions], Tensor], given: Tensor, options: VaeOptions
    ) -> Tensor:
        self._keep_change()
        made = compute(given, options)
        if _is_finite(made):
            return made
        if not _is_finite(given):
            raise EaselError(
                "The checkpoint produced values that are no numbers (NaN), so there is no picture. If it computes in "
                "16 bits, turn on the setting “Compute attention in float32” (upcast_attn) or start with --no-half; "
                "otherwise choose another checkpoint."
            )
        for dtype in options.retry_in:
            if self.dtype in (dtype, torch.float32):
                continue
            log.warning("The VAE overflowed in %s; it computes in %s from now on.", name_of(self.dtype), name_of(dtype))
            self.changed_to = dtype
            self._keep_change()
            made = compute(given, options)
            if _is_finite(made):
                return made
        raise EaselError(_overflow_message(self.dtype))

    def _keep_change(self) -> None:
        """Change the weights, or finish doing so if memory did not suffice before."""
        if self.changed_to is not None:
            # Weights that are made in inference mode could never be changed in place again.
            with torch.inference_mode(mode=False):
                nn.Module.to(self.module, self.changed_to)

    def _encode(self, picture: Tensor, options: VaeOptions) -> Tensor:
        picture = picture.to(self.dtype, memory_format=self._layout)
        if options.tiled:
            return encode_in_tiles(self.module, picture, options.check).float()
        return self._autoencoder.encode(picture, return_dict=False)[0].mean.float()

    def _decode(self, latent: Tensor, options: VaeOptions) -> Tensor:
        latent = latent.to(self.dtype, memory_format=self._layout)
        if options.tiled:
            return decode_in_tiles(self.module, latent, options.check).float()
        return self._autoencoder.decode(latent, return_dict=False)[0].float()


def name_of(dtype: torch.dtype) -> str:
    """Return the name of a number format for people ("float32")."""
    return str(dtype).removeprefix("torch.")


def _overflow_message(dtype: torch.dtype) -> str:
    if dtype == torch.float32:
        return (
            "The VAE produced values that are no numbers (NaN) even in float32, so its weights are damaged. "
            "Choose another checkpoint."
        )
    return (
        f"The VAE produced values that are no numbers (NaN) in {name_of(dtype)}, so there is no picture. Turn on the "
        "setting “Decode again in float32 when a VAE yields NaN” (auto_vae_precision), or start with --no-half-vae."
    )


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
