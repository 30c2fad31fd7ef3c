"""Bringing a picture to a given size and shape: A1111's resize modes."""

from enum import IntEnum

from PIL import Image
from PIL.Image import Resampling

from modules.core.errors import InvalidRequest
from modules.imaging.upscale import Upscaler, upscale

MAX_PIXELS = 200_000_000
"""Of a picture that is enlarged only to be cropped; a thin line would otherwise fill the memory."""


class ResizeMode(IntEnum):
    """What happens when a picture has another shape than the one wanted; numbered as in A1111."""

    JUST_RESIZE = 0
    CROP_AND_RESIZE = 1
    RESIZE_AND_FILL = 2
    LATENT_UPSCALE = 3
    """The latents are stretched instead of the picture, so none of the functions here acts on it."""


def resize_image(
    image: Image.Image, width: int, height: int, mode: ResizeMode, upscaler: Upscaler | None = None
) -> Image.Image:
    """Return `image` at `width` × `height` px.

    Crop and resize covers the area and cuts what stands out; resize and fill fits the picture in and stretches its
    outermost lines over the two strips that stay free. Both keep the picture centred.

    Args:
        image: RGB, or L for a mask, which is always resized with Lanczos alone.
        width: px, at least 1.
        height: px, at least 1.
        mode: stretch, crop or fill; `LATENT_UPSCALE` stretches.
        upscaler: enlarges pictures that have to grow; None for Lanczos.

    Raises:
        InvalidRequest: the picture is so thin that covering the area would take more than `MAX_PIXELS`.
    """
    if mode is ResizeMode.CROP_AND_RESIZE:
        return _crop(image, width, height, upscaler)
    if mode is ResizeMode.RESIZE_AND_FILL:
        return _fill(image, width, height, upscaler)
    return _stretch(image, width, height, upscaler)


def _stretch(image: Image.Image, width: int, height: int, upscaler: Upscaler | None) -> Image.Image:
    if upscaler is None or image.mode == "L":
        return image.resize((width, height), Resampling.LANCZOS)
    factor = max(width / image.width, height / image.height)
    if factor > 1:
        image = upscale(image, factor, upscaler)
    return image if image.size == (width, height) else image.resize((width, height), Resampling.LANCZOS)


def _crop(image: Image.Image, width: int, height: int, upscaler: Upscaler | None) -> Image.Image:
    wider = width / height > image.width / image.height
    covering_width = width if wider else image.width * height // image.height
    covering_height = image.height * width // image.width if wider else height
    if covering_width * covering_height > MAX_PIXELS:
        raise InvalidRequest(
            f"A picture of {image.width}×{image.height} px is too thin to be cropped to {width}×{height} px: "
            "choose the resize mode “Just resize” or “Resize and fill”."
        )
    covering = _stretch(image, covering_width, covering_height, upscaler)
    result = Image.new(image.mode, (width, height))
    result.paste(covering, (width // 2 - covering_width // 2, height // 2 - covering_height // 2))
    return result


def _fill(image: Image.Image, width: int, height: int, upscaler: Upscaler | None) -> Image.Image:
    shape, wanted = image.width / image.height, width / height
    inner_width = width if wanted < shape else max(1, image.width * height // image.height)
    inner_height = height if wanted >= shape else max(1, image.height * width // image.width)
    inner = _stretch(image, inner_width, inner_height, upscaler)
    result = Image.new(image.mode, (width, height))
    left, top = width // 2 - inner_width // 2, height // 2 - inner_height // 2
    result.paste(inner, (left, top))
    if wanted < shape and top > 0:
        result.paste(inner.resize((width, top), box=(0, 0, width, 0)), (0, 0))
        below = inner.resize((width, top), box=(0, inner_height, width, inner_height))
        result.paste(below, (0, top + inner_height))
    elif wanted > shape and left > 0:
        result.paste(inner.resize((left, height), box=(0, 0, 0, height)), (0, 0))
        right = inner.resize((left, height), box=(inner_width, 0, inner_width, height))
        result.paste(right, (left + inner_width, 0))
    return result
