"""Laying the original back over what was repainted, so that nothing outside the mask changes."""

from dataclasses import dataclass

from PIL import Image, ImageChops

from modules.imaging.crop_region import Box
from modules.imaging.resize import ResizeMode, resize_image
from modules.imaging.upscale import Upscaler


@dataclass(frozen=True, kw_only=True)
class PastedBack:
    """A repainted picture that was put back into its original.

    Attributes:
        picture: the result, RGB.
        repainted: the picture before the original was laid over it, at the size of the result. It is RGBA and
            transparent around the region if only a region was worked on, otherwise RGB.
    """

    picture: Image.Image
    repainted: Image.Image


def cut_out(original: Image.Image, mask: Image.Image) -> Image.Image:
    """Return the overlay: `original` in RGBA, transparent where it is repainted.

    Args:
        original: RGB.
        mask: mode L of the same size; white is repainted.
    """
    overlay = Image.new("RGBa", original.size)
    overlay.paste(original.convert("RGBA").convert("RGBa"), mask=ImageChops.invert(mask))
    return overlay.convert("RGBA")


def uncrop(picture: Image.Image, size: tuple[int, int], region: Box, upscaler: Upscaler | None) -> Image.Image:
    """Return an empty picture of `size` with `picture`, cropped to the region's shape, in its place.

    Args:
        picture: RGB, or a mask in mode L.
        size: width and height in px.
        region: where the picture was cut from.
        upscaler: enlarges the picture if the region is larger; None for Lanczos.

    Returns:
        RGBA, transparent around the region; for a mask L, black around it.
    """
    fitted = resize_image(picture, region.width, region.height, ResizeMode.CROP_AND_RESIZE, upscaler)
    whole = Image.new("L" if picture.mode == "L" else "RGBA", size)
    whole.paste(fitted, (region.left, region.top))
    return whole


def paste_back(
    picture: Image.Image, overlay: Image.Image | None, region: Box | None, upscaler: Upscaler | None = None
) -> PastedBack:
    """Put a sampled picture back into its original.

    Args:
        picture: RGB, as decoded.
        overlay: from `cut_out`, of the original's size; None (A1111's `overlay_inpaint` off) changes nothing.
        region: the part of the original that was worked on; None for all of it.
        upscaler: see `uncrop`.
    """
    if overlay is None:
        return PastedBack(picture=picture, repainted=picture)
    repainted = picture if region is None else uncrop(picture, overlay.size, region, upscaler)
    result = repainted.convert("RGBA")
    result.alpha_composite(overlay)
    return PastedBack(picture=result.convert("RGB"), repainted=repainted)


def masked_part(repainted: Image.Image, mask: Image.Image) -> Image.Image:
    """Return only what was repainted, RGBA (A1111's `return_mask_composite`).

    Args:
        repainted: from `paste_back`.
        mask: mode L, the overlay's mask; resized if its size differs.
    """
    stencil = resize_image(mask, *repainted.size, ResizeMode.RESIZE_AND_FILL)
    layer = repainted.convert("RGBA").convert("RGBa")
    return Image.composite(layer, Image.new("RGBa", repainted.size), stencil).convert("RGBA")
