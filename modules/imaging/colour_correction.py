"""Colour correction of img2img: results keep the colours of the picture they began with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def correct_colours(image: Image.Image, reference: Image.Image) -> Image.Image:
    """Return `image` with the colour distribution of `reference` and its own luminosity, RGB.

    Each channel of CIE LAB gets the histogram of the reference; what that does to the brightness is undone by blending
    the luminosity of `image` over it.

    Args:
        image: RGB.
        reference: RGB, any size.
    """
    import cv2  # noqa: PLC0415  # takes half a second to import, and few pictures need it

    source = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2LAB)
    target = cv2.cvtColor(np.asarray(reference), cv2.COLOR_RGB2LAB)
    matched = np.stack([_match_histogram(source[..., axis], target[..., axis]) for axis in range(3)], axis=-1)
    recoloured = cv2.cvtColor(matched, cv2.COLOR_LAB2RGB) / 255
    blended = _with_luminosity(recoloured, np.asarray(image) / 255)
    return Image.fromarray((blended.clip(0, 1) * 255).astype(np.uint8))


def _match_histogram(source: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.uint8]:
    """Return `source`, uint8 [h, w], with each value replaced by the one of the same rank in the reference."""
    ranks = np.bincount(source.ravel()).cumsum() / source.size
    counts = np.bincount(reference.ravel())
    values = counts.nonzero()[0]
    reference_ranks = counts[values].cumsum() / reference.size
    return np.interp(ranks, reference_ranks, values).astype(np.uint8)[source]


def _with_luminosity(colours: NDArray[np.float64], light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Blend mode “luminosity” (W3C Compositing and Blending 1, section 10.2.4): hue and saturation of one picture with
    the luminosity of another. Both are [h, w, 3], 0..1; rounding errors may leave that range.

    The steps and weights are those of the package blendmodes, with which A1111 does it, to the last bit.
    """
    shifted = colours + (_luma(light) - _luma(colours))[..., None]
    luma = _luma(shifted)[..., None]
    lowest, highest = shifted.min(axis=-1, keepdims=True), shifted.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # in the branches that np.where does not take
        shifted = np.where(lowest < 0, luma + (shifted - luma) * luma / (luma - lowest), shifted)
        return np.where(highest > 1, luma + (shifted - luma) * (1 - luma) / (highest - luma), shifted)


def _luma(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    red, green, blue = _LUMA
    return colours[..., 0] * red + colours[..., 1] * green + colours[..., 2] * blue
