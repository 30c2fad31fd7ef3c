"""Inpainting masks: grey pictures (mode L) in which white is repainted and black is kept."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.imaging.normalise import normalise

_OPAQUE = (255, 255)


def mask_from_picture(image: Image.Image, *, rounded: bool) -> Image.Image:
    """Return the mask that a picture stands for, in mode L.

    A picture that is transparent anywhere says it with its alpha channel (opaque is repainted), any other with its
    brightness.

    Args:
        image: any mode.
        rounded: make an alpha channel black and white, at 128; brightness stays as it is.
    """
    image = normalise(image)
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        if alpha.getextrema() != _OPAQUE:
            return _threshold(alpha) if rounded else alpha
    return image.convert("L")


def blur_mask(mask: Image.Image, radius_x: float, radius_y: float) -> Image.Image:
    """Return `mask` after a Gaussian blur along each axis.

    Args:
        mask: mode L.
        radius_x: standard deviation across, px; 0 for none.
        radius_y: standard deviation down, px; 0 for none.
    """
    import cv2  # noqa: PLC0415  # takes half a second to import, and only masks need it

    pixels = np.asarray(mask)
    if radius_x > 0:
        pixels = cv2.GaussianBlur(pixels, (_kernel_size(radius_x), 1), radius_x)
    if radius_y > 0:
        pixels = cv2.GaussianBlur(pixels, (1, _kernel_size(radius_y)), radius_y)
    return Image.fromarray(pixels)


def overlay_mask(mask: Image.Image) -> Image.Image:
    """Return `mask` twice as bright: what the original is cut out with when the whole picture is worked on.

    Half-masked pixels thus come from the new picture alone, and the seam lies outside the mask.
    """
    doubled = np.minimum(np.asarray(mask).astype(np.uint16) * 2, 255)
    return Image.fromarray(doubled.astype(np.uint8))


def latent_mask(mask: Image.Image, width: int, height: int, *, rounded: bool) -> NDArray[np.float32]:
    """Return the mask of the latents, [height, width], 0..1; 1 is repainted.

    Args:
        mask: mode L, at the size that is sampled.
        width: latents.
        height: latents.
        rounded: each latent is either kept or repainted; half of it masked means kept.
    """
    shrunk = np.asarray(mask.resize((width, height)), dtype=np.float32) / np.float32(255)
    return np.around(shrunk) if rounded else shrunk


def _threshold(alpha: Image.Image) -> Image.Image:
    return Image.fromarray(np.where(np.asarray(alpha) > 128, 255, 0).astype(np.uint8))


def _kernel_size(radius: float) -> int:
    """Odd, and wide enough for five standard deviations."""
    return 2 * int(2.5 * radius + 0.5) + 1
