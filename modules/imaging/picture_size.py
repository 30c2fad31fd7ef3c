"""How large a picture is, without decoding it."""

import io

from PIL import Image

from modules.core.errors import InvalidRequest
from modules.imaging.metadata import DAMAGED, FORMATS

_TURNED = frozenset({5, 6, 7, 8})  # values of EXIF's Orientation that exchange width and height


def picture_size(data: bytes) -> tuple[int, int]:
    """Return width and height in px as a viewer shows it.

    Args:
        data: a picture file.

    Raises:
        InvalidRequest: it is no picture, or its beginning is damaged, or it has more than 179 million pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            turned = image.getexif().get(0x0112) in _TURNED
            width, height = image.size
    except (OSError, *DAMAGED, Image.DecompressionBombError) as error:
        raise InvalidRequest(
            f"This is no picture that can be read ({error}). Choose a PNG, JPEG or WebP file."
        ) from error
    return (height, width) if turned else (width, height)
