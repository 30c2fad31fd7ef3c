"""Masked content “fill”: the colours around the mask flow into it."""

from PIL import Image, ImageChops, ImageFilter

_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""Radius in px and how often the blurred picture is laid down, from far colours to near ones (A1111's numbers)."""


def masked_fill(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Return `image` in RGB, with what `mask` covers painted over by blurred surroundings.

    The mask is cut out; blurs of what is left are laid over each other, the narrower above the wider. Where everything
    is masked the result is black.

    Args:
        image: RGB.
        mask: mode L, of the same size.
    """
    kept = Image.new("RGBa", image.size)
    kept.paste(image.convert("RGBA").convert("RGBa"), mask=ImageChops.invert(mask))
    filled = Image.new("RGBA", image.size)
    for radius, times in _BLURS:
        layer = kept.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            filled.alpha_composite(layer)
    return filled.convert("RGB")
