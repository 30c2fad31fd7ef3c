from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.adapters import embedding_pictures
from modules.adapters.embedding_files import Embedding
from modules.adapters.embedding_pictures import read_embedding_picture
from modules.core.errors import ModelFileError
from tests.adapters.embedding_writers import as_info, as_json, hidden_in_pixels, photo, trained, vectors

CONTENT = trained(vectors(3), name="in the picture", step=7)


def read(path: Path) -> Embedding | None:
    return read_embedding_picture(path)


def check(found: Embedding | None) -> None:
    assert found is not None
    assert (found.name, found.facts.step, found.facts.sd_checkpoint) == ("in the picture", 7, "7460a6fa")
    assert found.parts[""].equal(vectors(3))


def test_in_a_chunk(tmp_path: Path) -> None:
    photo(32, 32).save(tmp_path / "x.png", pnginfo=as_info(CONTENT))
    check(read(tmp_path / "x.png"))


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_in_the_pixels(tmp_path: Path, ending: str) -> None:
    hidden_in_pixels(as_json(CONTENT)).save(tmp_path / f"x.{ending}", lossless=True)
    check(read(tmp_path / f"x.{ending}"))


def test_in_the_pixels_within_a_black_frame_and_beside_transparency(tmp_path: Path) -> None:
    image = hidden_in_pixels(as_json(CONTENT), height=50, border=9)
    image.putalpha(0)
    image.save(tmp_path / "x.png")
    check(read(tmp_path / "x.png"))


def test_it_need_not_have_a_name(tmp_path: Path) -> None:
    content = {"string_to_param": CONTENT["string_to_param"]}
    photo(32, 32).save(tmp_path / "x.png", pnginfo=as_info(content))
    found = read(tmp_path / "x.png")
    assert found is not None
    assert found.name is None


def black_lines(*places: int) -> Image.Image:
    pixels = np.array(photo(64, 32))
    pixels[:, list(places)] = 0
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    "image",
    [
        photo(64, 32),
        black_lines(5),
        black_lines(5, 58),
        black_lines(5, 40),
        black_lines(30, 31),
        Image.new("L", (9, 9)),
    ],
    ids=["plain", "one line", "two lines", "uneven", "lines side by side", "all black"],
)
def test_other_pictures_hold_none(tmp_path: Path, image: Image.Image) -> None:
    image.save(tmp_path / "x.png")
    assert read(tmp_path / "x.png") is None


def test_what_is_no_picture_holds_none(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"<!DOCTYPE html>")
    assert read(tmp_path / "x.png") is None
    assert read(tmp_path / "gone.png") is None
    hidden_in_pixels(as_json(CONTENT)).save(tmp_path / "half.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "half.png").read_bytes()[:900])
    assert read(tmp_path / "half.png") is None


def test_other_formats_are_not_even_parsed(tmp_path: Path) -> None:
    hidden_in_pixels(as_json(CONTENT)).save(tmp_path / "x.bmp")
    (tmp_path / "x.bmp").rename(tmp_path / "x.png")
    assert read(tmp_path / "x.png") is None


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b"5",
        b"{}",
        b'{"string_to_param": 5}',
        b'{"string_to_param": {"*": 5}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": [[1, 2], [3]]}}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": [["a"]]}}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": [[[1]]]}}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": []}}}',
        b'{"string_to_param": {"*": {"TORCHTENSOR": [[1' + b"0" * 400 + b"]]}}}",
        b'{"string_to_param": {}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_one_is_said(tmp_path: Path, text: bytes) -> None:
    hidden_in_pixels(text).save(tmp_path / "x.png")
    with pytest.raises(ModelFileError, match=r"“x\.png”"):
        read(tmp_path / "x.png")


def test_a_chunk_that_is_no_base64_counts_for_nothing(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("sd-ti-embedding", "abcde")
    photo(32, 32).save(tmp_path / "x.png", pnginfo=info)
    assert read(tmp_path / "x.png") is None


def test_what_would_take_too_much_memory_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = as_json(CONTENT)
    image, bomb = hidden_in_pixels(text), hidden_in_pixels(text + b" " * 10**6)
    monkeypatch.setattr(embedding_pictures, "MAX_TEXT_BYTES", len(text) + 10)
    image.save(tmp_path / "x.png")
    check(read(tmp_path / "x.png"))
    bomb.save(tmp_path / "x.png")
    assert read(tmp_path / "x.png") is None
    monkeypatch.setattr(embedding_pictures, "MAX_PIXELS", image.width * image.height - 1)
    image.save(tmp_path / "x.png")
    assert read(tmp_path / "x.png") is None
