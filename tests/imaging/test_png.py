import base64
import io
import struct
from typing import Any

import pytest
from PIL import Image

from modules.imaging.metadata import read_parameters
from modules.imaging.png import encode_png
from tests.imaging.recordings import recorded

CASES = [case for case in recorded("png_info")["cases"] if "written" in case]


def chunks(png: bytes) -> dict[bytes, bytes]:
    """Return the content of each chunk of a PNG file by its type."""
    found: dict[bytes, bytes] = {}
    position = 8
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        found[png[position + 4 : position + 8]] = png[position + 8 : position + 8 + length]
        position += 12 + length
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_writes_the_chunk_that_a1111_writes(case: Any) -> None:
    data = base64.b64decode(case["file"])
    ours = chunks(encode_png(Image.open(io.BytesIO(data)), case["written"]))
    theirs = chunks(data)
    kind = b"tEXt" if case["written"].isascii() else b"iTXt"
    assert ours[kind] == theirs[kind]
    assert ours[kind].startswith(b"parameters\0")


def test_pixels_survive_and_no_infotext_leaves_no_chunk() -> None:
    image = Image.effect_noise((33, 21), 80).convert("RGB")
    data = encode_png(image, None)
    assert Image.open(io.BytesIO(data)).tobytes() == image.tobytes()
    assert not {b"tEXt", b"iTXt"} & set(chunks(data))
    assert read_parameters(data) is None


@pytest.mark.parametrize("text", ["", "a\0b", "é", "日本 😀", "x" * 100_000])
def test_any_text_is_read_back(text: str) -> None:
    assert read_parameters(encode_png(Image.new("RGB", (8, 8)), text)) == text


def test_half_a_surrogate_pair_does_not_stop_the_writing() -> None:
    assert read_parameters(encode_png(Image.new("RGB", (8, 8)), "a \ud83d b")) == "a ? b"
