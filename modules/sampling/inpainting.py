"""Latents of which only a part is made anew."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

_SMALL = 1e-5  # keeps a division by a length of 0 apart from what it would yield


class LatentBlend(Protocol):
    """Puts the original back where it is to be kept."""

    def __call__(self, latent: Tensor, level: Tensor) -> Tensor:
        """Return `latent` [B,C,h,w] with the original put back, at the level [B] that the sampler counts in."""
        ...

    def final(self, latent: Tensor) -> Tensor:
        """Return the finished latents [B,C,h,w] with the original put back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HardBlend:
    """Keeps the original outside a mask, as A1111 does.

    Attributes:
        original: [B or 1,C,h,w].
        repaint: 1 where the latents are made anew, 0 where the original is kept [1,1 or C,h,w].
    """

    original: Tensor
    repaint: Tensor

    def __call__(self, latent: Tensor, level: Tensor) -> Tensor:
        """See `LatentBlend`."""
        del level
        return self.final(latent)

    def final(self, latent: Tensor) -> Tensor:
        """See `LatentBlend`."""
        return latent * self.repaint + self.original * (1 - self.repaint)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SoftBlend:
    """Mixes the original in by the mask's grey levels, more of it at high noise levels (A1111's soft inpainting).

    Attributes:
        original: [B or 1,C,h,w].
        repaint: 1 where the latents are made anew, 0 where the original is kept [1,1 or C,h,w].
        schedule_bias: exponent of the noise level in the strength of the mask.
        preservation_strength: factor of that strength.
        contrast_boost: from 1 up, the vectors' lengths are mixed more like the longer of the two.
    """

    original: Tensor
    repaint: Tensor
    schedule_bias: float
    preservation_strength: float
    contrast_boost: float

    def __call__(self, latent: Tensor, level: Tensor) -> Tensor:
        """See `LatentBlend`."""
        weight = self.repaint ** (level[:, None, None, None] ** self.schedule_bias * self.preservation_strength)
        return mixed_vectors(self.original, latent, weight, self.contrast_boost)

    def final(self, latent: Tensor) -> Tensor:
        """Return them as they are: the picture is blended later, by how much it has changed."""
        return latent


def mixed_vectors(one: Tensor, other: Tensor, weight: Tensor, power: float) -> Tensor:
    """Mix latents by direction and by length apart.

    The mean of two vectors that point in different directions is too short, which looks washed out. So the length is
    set to the power mean of both lengths.

    Args:
        one: [B or 1,C,h,w], counts 1 - weight.
        other: [B,C,h,w], counts weight.
        weight: [B or 1,1 or C,h,w], 0..1.
        power: of the mean; 1 is the arithmetic one, a high one comes near the larger length.
    """
    mixed = one * (1 - weight) + other * weight
    share = weight[:, :1].double()  # in float64, which high powers need
    wanted = (_lengths(one) ** power * (1 - share) + _lengths(other) ** power * share) ** (1 / power)
    return mixed * (wanted / (_lengths(mixed) + _SMALL)).to(mixed.dtype)


def _lengths(latents: Tensor) -> Tensor:
    """Return the length of each cell's vector, float64 [B,1,h,w]."""
    return latents.square().sum(dim=1, keepdim=True).sqrt().double()
