"""Encode pictures in the format that the settings ask for, with their infotext."""

import io
from dataclasses import dataclass

from PIL import Image

from modules.core.settings import PictureFormatName
from modules.imaging.exif import user_comment_exif
from modules.imaging.png import encode_png

_PILLOW_NAMES: dict[PictureFormatName, str] = {"jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF"}
_LARGEST_SIDE: dict[PictureFormatName, int] = {"jpg": 65_500, "jpeg": 65_500, "webp": 16_383, "avif": 65_535}  # px

# A JPEG segment holds 65,533 bytes, and a character takes two or four of them.
_LARGEST_JPEG_EXIF = 65_533


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """How pictures are encoded (A1111's settings `samples_format`, `jpeg_quality` and `webp_lossless`).

    Attributes:
        name: as in the setting, which is the file's ending.
        quality: of JPEG, WebP and AVIF, 1..100.
        lossless: WebP keeps every pixel.
    """

    name: PictureFormatName = "png"
    quality: int = 80
    lossless: bool = False


PNG = PictureFormat()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPicture:
    """A complete picture file.

    Attributes:
        data: the file.
        suffix: its ending, ".png".
        carries_infotext: False when no infotext was given, or when it is too long for the format.
    """

    data: bytes
    suffix: str
    carries_infotext: bool


def encode_picture(image: Image.Image, infotext: str | None, form: PictureFormat = PNG) -> EncodedPicture:
    """Return `image` as a file.

    The infotext is the chunk `parameters` of a PNG file, the EXIF UserComment of the others. As in A1111, a picture
    that is too large for its format becomes a PNG file.

    Args:
        image: RGB, RGBA or L; JPEG leaves transparency out.
        infotext: None for none.
        form: format, and how much it may lose.
    """
    if form.name == "png" or max(image.size) > _LARGEST_SIDE[form.name]:
        return EncodedPicture(data=encode_png(image, infotext), suffix=".png", carries_infotext=infotext is not None)
    exif = b"" if infotext is None else user_comment_exif(infotext)
    if _PILLOW_NAMES[form.name] == "JPEG":
        image = image if image.mode in ("RGB", "L") else image.convert("RGB")
        exif = exif if len(exif) <= _LARGEST_JPEG_EXIF else b""
    file = io.BytesIO()
    image.save(file, _PILLOW_NAMES[form.name], quality=form.quality, lossless=form.lossless, exif=exif)
    return EncodedPicture(data=file.getvalue(), suffix=f".{form.name}", carries_infotext=bool(exif))


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyLimits:
    """What is too large to be passed on, so that a JPEG file is saved beside it.

    A1111's settings `export_for_4chan`, `img_downscale_threshold` and `target_side_length`.

    Attributes:
        mebibytes: largest file.
        side: longest side, px; the copy is scaled down to it.
    """

    mebibytes: float = 4.0
    side: int = 4000


def jpeg_copy(
    image: Image.Image, encoded: EncodedPicture, infotext: str | None, limits: CopyLimits, *, quality: int
) -> EncodedPicture | None:
    """Return the smaller copy of a picture, None when it is small enough or a JPEG file itself.

    Args:
        image: the picture.
        encoded: its file.
        infotext: as in the file.
        limits: of which one must be exceeded.
        quality: of the copy, 1..100.
    """
    oversize = max(image.size) > limits.side
    if encoded.suffix in (".jpg", ".jpeg") or not (oversize or len(encoded.data) > limits.mebibytes * 2**20):
        return None
    if oversize:
        factor = limits.side / max(image.size)
        size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return encode_picture(image, infotext, PictureFormat(name="jpg", quality=quality))
