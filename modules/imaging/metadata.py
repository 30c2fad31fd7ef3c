"""What pictures carry of how they were made, whatever their format.

Metadata come from anywhere: what is damaged is as good as missing, and nothing here trusts a size.
"""

import io
import struct
from dataclasses import dataclass, field
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from modules.core.errors import InvalidRequest
from modules.imaging.exif import decode_user_comment
from modules.imaging.metadata_novelai import hidden_items, novelai_infotext
from modules.imaging.metadata_stealth import read_stealth

PARAMETERS = "parameters"
EXIF_COMMENT, COMMENT = "exif comment", "comment"

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")  # not all of Pillow's parsers
MAXIMUM_COMMENT = 1 << 20
MAXIMUM_TYPED_TEXT = 10_000  # characters; A1111's limit
_MAXIMUM_DECODED_PIXELS = 50_000_000  # 200 MB

DAMAGED = (ValueError, SyntaxError, TypeError, KeyError, IndexError, OverflowError, RuntimeError, struct.error)
"""What Pillow raises for broken or inflated metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMetadata:
    """The texts of a picture.

    Attributes:
        infotext: how it was made, None when it does not say that.
        items: all its other texts under A1111's names: a PNG file's chunks under theirs, "exif comment", "comment".
    """

    infotext: str | None = None
    items: dict[str, str] = field(default_factory=dict[str, str])


def read_metadata(source: bytes | Path) -> PictureMetadata:
    """Return the texts of a picture file.

    As in A1111, an EXIF UserComment wins over the PNG chunk `parameters`, both win over the comment of a JPEG or GIF
    file, and what NovelAI writes wins over all. Pixels are looked at only in PNG and WebP files that say nothing: for
    chunks behind them, and for a text that is hidden in them.

    Raises:
        InvalidRequest: the source is missing, damaged, no picture of these kinds, or has more than 179 million pixels.
    """
    name = source.name if isinstance(source, Path) else "The file"
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            return _metadata(image)
    except Image.DecompressionBombError as error:
        raise InvalidRequest(f"{name} has too many pixels to be opened. Scale it down first.") from error
    except UnidentifiedImageError as error:
        raise InvalidRequest(f"{name} is not a picture (PNG, JPEG, WebP, GIF, AVIF, BMP or TIFF).") from error
    except OSError as error:
        raise InvalidRequest(f"{name} cannot be read: {error.strerror or error}.") from error
    except DAMAGED as error:
        raise InvalidRequest(f"{name} is damaged: {error}.") from error


def read_parameters(source: bytes | Path) -> str | None:
    """Return the infotext that a picture carries, None when it carries none; see `read_metadata`."""
    return read_metadata(source).infotext


def read_generation_text(data: bytes) -> str | None:
    """Return the infotext of a dropped file: that of a picture, or the text itself; None when it is neither.

    A text is UTF-8 and has fewer than 10,000 characters.
    """
    try:
        return read_parameters(data)
    except InvalidRequest:
        pass
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if len(text) < MAXIMUM_TYPED_TEXT else None


def _metadata(image: Image.Image) -> PictureMetadata:
    found = _written(image)
    if found.infotext is None and image.format in ("PNG", "WEBP") and _load(image):
        found = _written(image)
        if found.infotext is None:
            return _with_hidden(found, image)
    return found


def _load(image: Image.Image) -> bool:
    """Decode the pixels; False when they are damaged or too many."""
    if image.width * image.height > _MAXIMUM_DECODED_PIXELS:
        return False
    try:
        image.load()
    except (OSError, *DAMAGED):
        return False
    return True


def _written(image: Image.Image) -> PictureMetadata:
    """The texts that are written into the file."""
    items: dict[str, str] = {}
    infotext: str | None = None
    if image.format == "PNG":
        items = {key: str(text) for key, text in image.info.items() if isinstance(key, str) and isinstance(text, str)}
        infotext = items.pop(PARAMETERS, None)
    if comment := _exif_comment(image):
        infotext = items[EXIF_COMMENT] = comment
    elif "exif" not in image.info and (comment := _plain_comment(image)) is not None:
        items[COMMENT] = comment
        infotext = comment if infotext is None else infotext
    novelai = novelai_infotext(items, image.width, image.height)
    return PictureMetadata(infotext=novelai or infotext, items=items)


def _exif_comment(image: Image.Image) -> str:
    try:
        comment: object = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except (OSError, *DAMAGED):
        return ""
    if isinstance(comment, str):  # of the type ASCII, which it should not be
        return comment
    return decode_user_comment(comment) if isinstance(comment, bytes) and len(comment) <= MAXIMUM_COMMENT else ""


def _plain_comment(image: Image.Image) -> str | None:
    comment: object = image.info.get("comment")
    if isinstance(comment, bytes):
        comment = comment[:MAXIMUM_COMMENT].decode("utf-8", "ignore")
    return comment if isinstance(comment, str) and image.format != "PNG" else None


def _with_hidden(found: PictureMetadata, image: Image.Image) -> PictureMetadata:
    """Add the text that is hidden in the pixels: an infotext, or NovelAI's texts."""
    text = read_stealth(image)
    if text is None:
        return found
    items = hidden_items(text)
    if not items:
        return PictureMetadata(infotext=text, items=found.items)
    return PictureMetadata(infotext=novelai_infotext(items, image.width, image.height), items=found.items | items)
