import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from modules.core.errors import InvalidRequest
from modules.imaging.exif import user_comment_exif
from modules.imaging.metadata import PictureMetadata, read_generation_text, read_metadata, read_parameters
from modules.imaging.png import encode_png
from modules.imaging.save_formats import PictureFormat, encode_picture
from tests.imaging.recordings import recorded

RECORDED = recorded("png_info")
CASES = RECORDED["cases"]
PICTURE = Image.effect_noise((40, 30), 50).convert("RGB")
TEXT = "a cat, 日本 😀\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, Seed: 1"

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_with(*added: bytes, before: bytes = b"IDAT") -> bytes:
    """Return a PNG file without an infotext, but with these chunks."""
    png = encode_png(PICTURE, None)
    start = png.index(before) - 4
    return png[:start] + b"".join(added) + png[start:]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_reads_what_a1111_reads(case: Any, tmp_path: Path) -> None:
    data = base64.b64decode(case["file"])
    assert read_metadata(data) == PictureMetadata(infotext=case["parameters"], items=case["items"])
    file = tmp_path / "picture"
    file.write_bytes(data)
    assert read_parameters(file) == case["parameters"]


@pytest.mark.parametrize("case", RECORDED["dropped"], ids=lambda case: case["name"])
def test_reads_dropped_files_as_a1111(case: Any) -> None:
    assert read_generation_text(base64.b64decode(case["file"])) == case["text"]


def test_long_texts_are_no_infotexts() -> None:
    assert read_generation_text(b"x" * 9999) == "x" * 9999
    assert read_generation_text(b"x" * 10_000) is None


@pytest.mark.parametrize("name", ["png", "jpg", "webp", "avif"])
def test_what_we_write_is_read_back(name: Any) -> None:
    assert read_parameters(encode_picture(PICTURE, TEXT, PictureFormat(name=name)).data) == TEXT


def test_gif_comments() -> None:
    file = io.BytesIO()
    PICTURE.save(file, "GIF", comment=TEXT)
    assert read_metadata(file.getvalue()) == PictureMetadata(infotext=TEXT, items={"comment": TEXT})


def test_exif_wins_over_the_chunk() -> None:
    png = png_with(chunk(b"tEXt", b"parameters\0plain"), chunk(b"eXIf", user_comment_exif(TEXT)[6:]))
    assert read_metadata(png) == PictureMetadata(infotext=TEXT, items={"exif comment": TEXT})


def test_chunks_behind_the_pixels() -> None:
    png = png_with(chunk(b"tEXt", b"parameters\0late"), chunk(b"tEXt", b"other\0x"), before=b"IEND")
    assert read_metadata(png) == PictureMetadata(infotext="late", items={"other": "x"})


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II",
        b"garbage" * 20,
        user_comment_exif(TEXT)[6:40],
        user_comment_exif(TEXT)[6:].replace(b"\x87i", b"\x87\xff"),
    ],
)
def test_broken_exif_is_as_good_as_none(exif: bytes) -> None:
    png = png_with(chunk(b"tEXt", b"parameters\0plain"), chunk(b"eXIf", exif))
    assert read_parameters(png) == "plain"
    assert read_parameters(png_with(chunk(b"eXIf", exif))) is None


def test_endless_comments_are_left_alone() -> None:
    exif = user_comment_exif("x" * 600_000)[6:]
    assert read_parameters(png_with(chunk(b"eXIf", exif))) is None


def huge_png() -> bytes:
    """Return a PNG file of a few bytes that claims 30,000 × 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not a picture"),
        (b"just text, no picture", "not a picture"),
        (huge_png(), "too many pixels"),
        (base64.b64decode(CASES[0]["file"])[:40], "not a picture|cannot be read|damaged"),
        (encode_picture(PICTURE, None, PictureFormat(name="avif")).data.replace(b"pitm", b"xxxx"), "damaged"),
    ],
    ids=["empty", "text", "huge", "cut off", "avif without a picture"],
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
    with pytest.raises(InvalidRequest, match="damaged"):
        read_parameters(png_with(chunk(b"zTXt", bomb)))


def test_damaged_pixels_do_not_matter() -> None:
    png = encode_png(PICTURE, "p")
    start = png.index(b"IDAT") + 4
    damaged = png[:start] + bytes(20) + png[start + 20 :]
    assert read_parameters(damaged) == "p"
    bare = png_with()
    assert read_parameters(bare[:start] + bytes(20) + bare[start + 20 :]) is None
