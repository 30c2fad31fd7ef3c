from pathlib import Path

import pytest
from PIL import Image

from modules.frontends.cli import info
from modules.imaging.png import encode_png


def test_the_parameters_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(encode_png(Image.new("RGB", (8, 8)), "a cat\nSteps: 20"))
    assert info.run([str(picture)]) == 0
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
