"""Embeddings that A1111 hides in the pictures it makes while it trains them.

They are a JSON text, in which a tensor is {"TORCHTENSOR": nested lists of numbers}. It stands in the PNG chunk
`sd-ti-embedding` as base64, and also in the pixels, where it survives programs that drop chunks: the lower halves of
the bytes that zlib makes of it in a block at the left, the upper ones in a block at the right, and a black line between
each block and the picture. Only the lower four bits of these pixels count; the others make the block look like a
pattern.
"""

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from modules.adapters.embedding_files import Embedding, embedding_of
from modules.core.errors import ModelFileError
from modules.core.shown import shown

FORMATS = ("PNG", "WEBP")
CHUNK = "sd-ti-embedding"
MAX_PIXELS = 2**24
MAX_TEXT_BYTES = 2**22  # 75 vectors, which fill a chunk, of 1,280 numbers take 2 MiB
MAX_BLOCK_BYTES = 2**22  # of the same, compressed

_TENSOR = "TORCHTENSOR"

# What Pillow raises for files that are no pictures, or damaged ones.
_DAMAGED = (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, RuntimeError, struct.error)

Pixels = npt.NDArray[np.uint8]


def read_embedding_picture(path: Path) -> Embedding | None:
    """Return the embedding in a PNG or WebP picture; None if there is none, or no picture.

    Raises:
        ModelFileError: there is one, and it is damaged.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            text = _from_chunk(image) or _from_pixels(image)
    except (*_DAMAGED, Image.DecompressionBombError):
        return None
    return None if text is None else _parsed(text, source=path.name)


def _from_chunk(image: Image.Image) -> bytes | None:
    chunk: object = cast("dict[object, object]", image.info).get(CHUNK)
    if not isinstance(chunk, str) or len(chunk) > 2 * MAX_TEXT_BYTES:
        return None
    try:
        return base64.b64decode(chunk)
    except binascii.Error:
        return None


def _from_pixels(image: Image.Image) -> bytes | None:
    if image.width * image.height > MAX_PIXELS:
        return None
    halves = _without_black_border(np.asarray(image.convert("RGB"))) & np.uint8(0x0F)
    lines = np.flatnonzero(~halves.any(axis=(0, 2)))
    if len(lines) < 2:
        return None
    left, right = halves[:, : lines[0]], halves[:, lines[-1] + 1 :]
    if left.size != right.size or left.size > MAX_BLOCK_BYTES:
        return None
    lower, upper = _plain(left), _plain(right)
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress((upper << 4 | lower).tobytes(), MAX_TEXT_BYTES)
    except zlib.error:  # any picture may have two black lines
        return None
    return text if inflate.eof else None


def _without_black_border(pixels: Pixels) -> Pixels:
    """Cut off the lines at the edges in which each pixel lacks a colour."""
    coloured = (pixels > 0).all(axis=2)
    rows, columns = (np.flatnonzero(np.any(coloured, axis=axis)) for axis in (1, 0))
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else pixels[:0, :0]


def _plain(block: Pixels) -> Pixels:
    """Return the half-bytes of a block in a row. They were mixed with the numbers of a congruential generator."""
    # Its states modulo 2³², which begin with 0 · a + c, are c · (1 + a + a² + …).
    powers = np.full(block.size, 1664525, np.uint32)
    powers[:1] = 1
    states = np.cumsum(np.cumprod(powers, dtype=np.uint32), dtype=np.uint32) * np.uint32(1013904223)
    return block.ravel() ^ (states % 255 & 0x0F).astype(np.uint8)


def _parsed(text: bytes, *, source: str) -> Embedding:
    try:
        table: dict[str, Any] = dict(json.loads(text))
        tensors = {f"string_to_param.{key}": _tensor(value) for key, value in table["string_to_param"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"The embedding in the picture “{source}” is damaged: {shown(str(error))}.") from error
    return embedding_of(tensors, source=source, values=table)


def _tensor(value: Mapping[str, object]) -> Tensor:
    return torch.tensor(np.array(value[_TENSOR], dtype=np.float32))
