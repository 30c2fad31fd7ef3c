"""Soft inpainting, the picture side: what is laid back follows how much the sampler changed, not the mask alone.

Where latents hardly differ from those of the original, the original shows; where they differ much, the new picture; in
between both are mixed. Written after the description of A1111's soft inpainting extension (by CodeHatchling).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from modules.core.errors import InvalidRequest
from modules.core.parameters import SoftInpainting
from modules.imaging.inpaint import LATENT, Inpainting
from modules.imaging.overlay import cut_out, uncrop
from modules.imaging.resize import ResizeMode, resize_image

_KERNEL_RADIUS = 2  # latents
_KERNEL_SPREAD = 1.5  # latents
_LARGEST = (0.9, 1.0)  # shares of a window's sorted weights: its largest values …
_MIDDLE = (0.25, 0.75)  # … or those around its median
_LEAST_WEIGHT = 1.0  # that an average takes in; the kernel's centre alone weighs this much
_SMOOTHING = 4  # px; hides the steps between latents


@dataclass(frozen=True, kw_only=True)
class SoftOverlay:
    """What is laid over one finished picture.

    Attributes:
        mask: mode L at the finished picture's size; white is new.
        overlay: RGBA for `paste_back`.
    """

    mask: Image.Image
    overlay: Image.Image


def soft_overlays(
    settings: SoftInpainting,
    inpainting: Inpainting,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
) -> tuple[SoftOverlay, ...]:
    """Return the overlays that replace those of `inpainting`, one per sampled picture.

    Args:
        settings: of the request.
        inpainting: from `prepare_img2img`, with a latent mask that is not rounded.
        before: clean latents that sampling began with [n, 4, h, w], or [1, 4, h, w] for one that all share.
        after: sampled latents [n, 4, h, w].

    Raises:
        InvalidRequest: init images and sampled pictures cannot be paired.
    """
    count = len(after)
    if len(before) not in {1, count} or len(inpainting.originals) not in {1, count}:
        raise InvalidRequest("A batch takes one init image for all its pictures, or one for each.")
    distances = np.sqrt(np.square(after - before).sum(axis=1))
    threshold = _threshold(settings, inpainting.latent_mask)
    originals = inpainting.originals * count if len(inpainting.originals) == 1 else inpainting.originals
    return tuple(
        _overlay(_opacity(distance, threshold, settings.difference_contrast), original, inpainting)
        for distance, original in zip(distances, originals, strict=True)
    )


def _threshold(settings: SoftInpainting, mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the distance [h, w] at which original and new picture show alike; masked latents get a smaller one."""
    influence = settings.mask_influence
    keep = 1 - mask.clip(0, 1) ** (settings.preservation_strength / 2)
    share = 0.5 * (1 - influence) + keep * influence
    return (settings.difference_threshold * (share / (1.00001 - share))).astype(np.float32)


def _opacity(distance: NDArray[np.float32], threshold: NDArray[np.float32], contrast: float) -> NDArray[np.uint8]:
    """Return how much of the new picture shows, [h, w], 0..255."""
    spread = _window_mean(_window_mean(distance, _LARGEST), _MIDDLE)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = np.nan_to_num(spread / threshold, nan=0.0, posinf=np.inf)  # 0/0: nothing changed
        kept = 1 / (1 + relative**contrast)
    smooth = kept**3 * (kept * (6 * kept - 15) + 10)  # smootherstep (K. Perlin, Improving Noise, 2002)
    return (255 * (1 - smooth)).astype(np.uint8)


def _overlay(opacity: NDArray[np.uint8], original: Image.Image, inpainting: Inpainting) -> SoftOverlay:
    height, width = opacity.shape
    mask = resize_image(Image.fromarray(opacity), width * LATENT, height * LATENT, ResizeMode.JUST_RESIZE)
    mask = mask.filter(ImageFilter.GaussianBlur(_SMOOTHING))
    if inpainting.region is not None:
        mask = uncrop(mask, original.size, inpainting.region, None)
    return SoftOverlay(mask=mask, overlay=cut_out(original, mask))


def _window_mean(values: NDArray[np.float32], part: tuple[float, float]) -> NDArray[np.float32]:
    """Return, for each element of [h, w], the weighted mean of a part of its window's sorted values.

    Imagine the values of the window, sorted, as a stack of blocks as high as their weights in the kernel. The mean is
    taken over `part` of that stack (shares of its height), widened to `_LEAST_WEIGHT`: (0.25, 0.75) is a smooth median,
    (0.9, 1) a smooth maximum. Windows are cut off at the border.
    """
    kernel = _kernel()
    radius = _KERNEL_RADIUS
    padded = np.pad(values, radius)
    inside = np.pad(np.ones(values.shape), radius)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape).reshape(*values.shape, -1)
    present = np.lib.stride_tricks.sliding_window_view(inside, kernel.shape).reshape(*values.shape, -1)
    order = windows.argsort(axis=-1, kind="stable")
    stacked = np.take_along_axis(windows, order, axis=-1)
    heights = np.take_along_axis(present * kernel.ravel(), order, axis=-1)
    tops = heights.cumsum(axis=-1)
    start, end = _widened(tops[..., -1:], part)
    overlap = np.clip(np.minimum(tops, end) - np.maximum(tops - heights, start), 0, None)
    return ((stacked * overlap).sum(axis=-1) / overlap.sum(axis=-1)).astype(np.float32)


def _widened(total: NDArray[np.float64], part: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the part of a stack of height `total` begins and ends, made `_LEAST_WEIGHT` high if it is less."""
    start, end = total * part[0], total * part[1]
    middle = (start + end) / 2
    narrow = end - start < _LEAST_WEIGHT
    end = np.where(narrow, np.minimum(middle + _LEAST_WEIGHT / 2, total), end)
    start = np.where(narrow, end - _LEAST_WEIGHT, start)
    below = start < 0
    return np.where(below, 0, start), np.where(below & narrow, _LEAST_WEIGHT, end)


def _kernel() -> NDArray[np.float64]:
    """Return a Gaussian [5, 5], 1 in the middle, lowered so that it would reach 0 one latent beyond its border."""
    offsets = np.arange(-_KERNEL_RADIUS, _KERNEL_RADIUS + 1.0)
    squared = offsets[:, None] ** 2 + offsets**2
    zero = math.exp(-(((_KERNEL_RADIUS + 1) / _KERNEL_SPREAD) ** 2))
    return ((np.exp(-squared / _KERNEL_SPREAD**2) - zero) / (1 - zero)).clip(0)
