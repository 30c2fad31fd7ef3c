from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.frontends.cli import info
from modules.imaging.exif import user_comment_exif
from modules.imaging.png import encode_png


def test_the_parameters_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(encode_png(Image.new("RGB", (8, 8)), "a cat\nSteps: 20"))
    assert info.run([str(picture)]) == 0
    assert capsys.readouterr().out == "a cat\nSteps: 20\n"


def test_what_the_console_cannot_show_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chunks = PngInfo()
    said = '{"uc": "\\ud800", "steps": 20, "sampler": "k_euler", "scale": 7, "seed": 1}'
    for key, text in (("Software", "NovelAI"), ("Description", "a cat"), ("Comment", said)):
        chunks.add_text(key, text)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=chunks)
    assert info.run([str(tmp_path / "a.png")]) == 0
    assert capsys.readouterr().out.startswith("a cat\nNegative prompt: ?\nSteps: 20")


def test_a_jpeg_is_read_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=user_comment_exif("a cat\nSteps: 20"))
    assert info.run([str(tmp_path / "a.jpg")]) == 0
    assert capsys.readouterr().out == "a cat\nSteps: 20\n"


def test_a_picture_without_parameters_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "plain.png"
    picture.write_bytes(encode_png(Image.new("RGB", (8, 8)), None))
    assert info.run([str(picture)]) == 1
    assert "plain.png" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"no picture", b""])
def test_what_is_no_picture_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    (tmp_path / "text.png").write_bytes(content)
    assert info.run([str(tmp_path / "text.png"), str(tmp_path / "missing.png")]) == 1
    errors = capsys.readouterr().err
    assert "text.png" in errors
    assert "missing.png" in errors
