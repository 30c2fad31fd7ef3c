"""Making a picture larger by the name of an upscaler; the built-in ones need no model.

An upscaler model knows one factor (usually 4), a request asks for another; `upscale` brings them together as A1111
does.
"""

from collections.abc import Callable, Mapping

from PIL import Image
from PIL.Image import Resampling

Upscaler = Callable[[Image.Image, float], Image.Image]
"""One pass of an upscaler, (RGB picture, wanted factor) → larger RGB picture. A model may ignore the wanted factor and
enlarge by its own; a picture of unchanged size means that it can do no more."""

MAX_PASSES = 3
MULTIPLE = 8  # px; sides of an upscaled picture are multiples of this


def upscale(image: Image.Image, factor: float, upscaler: Upscaler) -> Image.Image:
    """Return `image` enlarged by `factor`, each side rounded down to a multiple of 8 px.

    The upscaler runs up to three times until the picture is large enough; Lanczos then shrinks it to what was asked.

    Args:
        image: RGB.
        factor: more than 0.
        upscaler: one pass, see `Upscaler`.
    """
    width, height = (max(MULTIPLE, int(side * factor) // MULTIPLE * MULTIPLE) for side in image.size)
    for number in range(MAX_PASSES):
        large_enough = image.width >= width and image.height >= height
        if large_enough and (number > 0 or factor != 1):  # a factor of 1 asks for one pass at the same size
            break
        before = image.size
        image = upscaler(image, factor)
        if image.size == before:
            break
    return image if image.size == (width, height) else image.resize((width, height), Resampling.LANCZOS)


def _lanczos(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((int(image.width * factor), int(image.height * factor)), Resampling.LANCZOS)


def _nearest(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((int(image.width * factor), int(image.height * factor)), Resampling.NEAREST)


BUILT_IN_UPSCALERS: Mapping[str, Upscaler | None] = {"None": None, "Lanczos": _lanczos, "Nearest": _nearest}
"""By A1111's names; None stands for a plain Lanczos resize to the size wanted, see `resize_image`."""
