import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modules.core.errors import InvalidRequest
from modules.imaging.png import encode_png, read_parameters
from tests.imaging.recordings import recorded

CASES = recorded("png_info")["cases"]


def chunks(png: bytes) -> dict[bytes, bytes]:
    """Return the content of each chunk of a PNG file by its type."""
    found: dict[bytes, bytes] = {}
    position = 8
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        found[png[position + 4 : position + 8]] = png[position + 8 : position + 8 + length]
        position += 12 + length
    return found


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # one of the files has an empty comment
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_reads_what_a1111_reads(case: Any, tmp_path: Path) -> None:
    data = base64.b64decode(case["file"])
    assert read_parameters(data) == case["parameters"]
    file = tmp_path / "picture"
    file.write_bytes(data)
    assert read_parameters(file) == case["parameters"]


@pytest.mark.parametrize("case", [case for case in CASES if "written" in case], ids=lambda case: case["name"])
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


def huge_png() -> bytes:
    """Return a PNG file of a few bytes that claims 30,000 × 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not a picture"),
        (b"just text, no picture", "not a picture"),
        (huge_png(), "too many pixels"),
        (base64.b64decode(CASES[0]["file"])[:40], "not a picture|cannot be read|damaged"),
    ],
    ids=["empty", "text", "huge", "cut off"],
)
def test_what_is_no_picture_is_answered_clearly(data: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        read_parameters(data)
    file = tmp_path / "wrong.png"
    file.write_bytes(data)
    with pytest.raises(InvalidRequest, match=r"wrong\.png"):
        read_parameters(file)


def test_a_missing_file_is_answered_clearly(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"missing\.png cannot be read"):
        read_parameters(tmp_path / "missing.png")


def test_inflated_text_is_refused() -> None:
    bomb = b"parameters\0\0" + zlib.compress(b"a" * 50_000_000)
    png = encode_png(Image.new("RGB", (8, 8)), None)
    start = png.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(bomb)) + b"zTXt" + bomb + struct.pack(">I", zlib.crc32(b"zTXt" + bomb))
    with pytest.raises(InvalidRequest, match="damaged"):
        read_parameters(png[:start] + chunk + png[start:])
