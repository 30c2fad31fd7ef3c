"""Any picture that people send, made upright, 8 bits per channel, and RGB or RGBA."""

import struct

import numpy as np
from PIL import Image, ImageColor, ImageOps

from modules.core.errors import InvalidRequest

_SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N"}


def normalise(image: Image.Image) -> Image.Image:
    """Return `image` as a viewer shows it: turned as its EXIF data say, RGB, or RGBA if anything may be transparent.

    Greyscale, palette, CMYK and 16-bit pictures are converted; a 16-bit grey value keeps its upper eight bits. EXIF
    data that cannot be read turn nothing.

    Raises:
        InvalidRequest: the picture's file is damaged, which Pillow notices only when it reads the pixels.
    """
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, RuntimeError) as error:  # RuntimeError: AVIF
        raise InvalidRequest(f"The picture cannot be read ({error}): give another file.") from error
    image = _upright(image)
    if image.mode in _SIXTEEN_BIT or image.mode == "I":
        image = _upper_bits(image)
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("RGB")


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Return `image` in RGB, with what is transparent laid over a colour.

    Args:
        image: any mode; see `normalise`.
        background: a name or a CSS colour (#ffffff): the setting `img2img_background_color`.

    Raises:
        InvalidRequest: `background` is no colour, or the picture's file is damaged.
    """
    image = normalise(image)
    if image.mode == "RGB":
        return image
    try:
        colour = ImageColor.getrgb(background)
    except ValueError as error:
        raise InvalidRequest(f"“{background}” is no colour: write it like #ffffff or white.") from error
    flat = Image.new("RGB", image.size, colour[:3])
    flat.paste(image, mask=image)
    return flat


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, struct.error):
        return image


def _upper_bits(image: Image.Image) -> Image.Image:
    """Return a 16-bit grey picture in 8 bits; mode I may hold 8-bit values in 32 bits, which stay as they are."""
    values = np.asarray(image).astype(np.int64)
    if image.mode != "I" or values.max() > 255:
        values >>= 8
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))
