"""Where programs other than A1111 put texts into pictures that are no PNG files: EXIF tags and XMP packets.

`metadata` reads what A1111 reads; this adds to it what only other programs write.
"""

import io
import re

from PIL import Image, UnidentifiedImageError

from modules.imaging.metadata import DAMAGED, FORMATS

XMP = "xmp"
MAXIMUM_PACKET = 1 << 20  # bytes; longer texts are taken no notice of

_TAGS = range(0x0110, 0x0108, -1)  # Model, Make, ImageDescription, …: ComfyUI counts down from the first
_NAMED = re.compile(r"(prompt|workflow)\s{0,4}:\s{0,4}", re.IGNORECASE)


def foreign_texts(data: bytes) -> dict[str, str]:
    """Return the texts of a picture file by the names that they have in PNG files; none when it is damaged.

    ComfyUI writes "prompt:{…}" and "workflow:{…}" into EXIF tags of WebP files.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _exif_texts(image) | _packet(image)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, *DAMAGED):
        return {}


def _exif_texts(image: Image.Image) -> dict[str, str]:
    exif = image.getexif()
    texts: dict[str, str] = {}
    for tag in _TAGS:
        value: object = exif.get(tag)
        found = _NAMED.match(value) if isinstance(value, str) and len(value) <= MAXIMUM_PACKET else None
        if found:
            texts.setdefault(found[1].lower(), found.string[found.end() :])
    return texts


def _packet(image: Image.Image) -> dict[str, str]:
    packet: object = image.info.get(XMP)
    if isinstance(packet, bytes) and len(packet) <= MAXIMUM_PACKET and image.format != "PNG":
        return {XMP: packet.decode("utf-8", "replace")}
    return {}
