"""Small copies of pictures, to be shown by the hundred."""

import io
from pathlib import Path

from PIL import Image

from modules.core.errors import InvalidRequest
from modules.imaging.normalise import normalise

FORMATS = ("PNG", "JPEG", "WEBP")
QUALITY = 80


def thumbnail(path: Path, longest: int) -> bytes:
    """Return the picture at `path` as a WebP file.

    Args:
        path: a PNG, JPEG or WebP file.
        longest: its longer side at most, px; small pictures stay as they are.

    Raises:
        InvalidRequest: the file is missing, damaged, no such picture, or has more than 179 million pixels.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.draft("RGB", (2 * longest, 2 * longest))  # a JPEG is read no larger than needed
            small = normalise(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidRequest(f"{path.name} cannot be shown ({error}). Replace it by another picture.") from error
    small.thumbnail((longest, longest))
    packed = io.BytesIO()
    small.save(packed, "WEBP", quality=QUALITY)
    return packed.getvalue()
