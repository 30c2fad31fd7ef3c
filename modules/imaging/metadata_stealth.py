"""Text hidden in the lowest bits of a picture's pixels ("stealth PNG info"), as NovelAI and Forge's users write it.

The bits go down the columns, from left to right: of the alpha channel, or of red, green and blue of each pixel in turn.
They are a signature, the number of the text's bits (32 bits, big-endian), and the text in UTF-8, plain or gzipped.
"""

import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAXIMUM_BYTES = 1 << 20

_SIGNATURES = {
    b"stealth_pnginfo": ("A", False),
    b"stealth_pngcomp": ("A", True),
    b"stealth_rgbinfo": ("RGB", False),
    b"stealth_rgbcomp": ("RGB", True),
}
_SIGNATURE_BYTES, _LENGTH_BYTES = 15, 4
_GZIP = zlib.MAX_WBITS | 16


def read_stealth(image: Image.Image) -> str | None:
    """Return the text that is hidden in `image`, None when there is none or it is damaged.

    Args:
        image: with its pixels loaded.
    """
    for channels in ("A", "RGB"):
        if not set(channels) <= set(image.getbands()):
            continue
        head = _hidden_bytes(image, channels, 0, _SIGNATURE_BYTES + _LENGTH_BYTES)
        of, gzipped = _SIGNATURES.get(head[:_SIGNATURE_BYTES], ("", False))
        if of == channels and len(head) == _SIGNATURE_BYTES + _LENGTH_BYTES:
            length = int.from_bytes(head[_SIGNATURE_BYTES:]) // 8
            return _text(_hidden_bytes(image, channels, len(head), min(length, MAXIMUM_BYTES)), gzipped=gzipped)
    return None


def _hidden_bytes(image: Image.Image, channels: str, start: int, count: int) -> bytes:
    """Return up to `count` bytes from byte `start` on."""
    bits_per_column = image.height * len(channels)
    first, end = start * 8 // bits_per_column, -(-(start + count) * 8 // bits_per_column)
    columns = image.crop((min(first, image.width), 0, min(end, image.width), image.height))
    planes = [np.asarray(columns.getchannel(channel), np.uint8).T for channel in channels]
    bits: NDArray[np.uint8] = np.bitwise_and(np.stack(planes, axis=-1).reshape(-1), np.uint8(1))
    begin = start * 8 - first * bits_per_column
    bits = bits[begin : begin + count * 8]
    return np.packbits(bits[: len(bits) // 8 * 8]).tobytes()


def _text(data: bytes, *, gzipped: bool) -> str | None:
    try:
        if gzipped:
            data = zlib.decompressobj(_GZIP).decompress(data, MAXIMUM_BYTES)
        return data.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        return None
