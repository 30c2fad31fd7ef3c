import io
import logging
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from modules.core.errors import ModelFileError
from modules.loading.weights_file import open_weights


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["x.safetensors", "x.SafeTensors"])
def test_the_right_ending_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / name)
    assert open_weights(tmp_path / name).keys() == {"a"}
    torch.save({"b": torch.ones(1)}, tmp_path / "x.ckpt")
    assert open_weights(tmp_path / "x.ckpt").keys() == {"b"}
    assert not caplog.records


def test_content_decides_and_a_wrong_ending_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "one.ckpt")
    torch.save({"b": torch.ones(1)}, tmp_path / "two.safetensors")
    with caplog.at_level(logging.WARNING):
        assert open_weights(tmp_path / "one.ckpt").keys() == {"a"}
        assert open_weights(tmp_path / "two.safetensors").keys() == {"b"}
    assert "“one.ckpt” is a safetensors file in spite of its ending" in caplog.text
    assert "“two.safetensors” is a PyTorch file in spite of its ending" in caplog.text


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (picture("PNG"), "a PNG picture"),
        (picture("JPEG"), "a JPEG picture"),
        (picture("GIF"), "a GIF picture"),
        (picture("WEBP"), "a WebP picture"),
        (b"<!DOCTYPE html><html>404", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"GGUF\3\0\0\0", "a GGUF model"),
        (b"just some text", "no model, or a damaged one"),
        (b"\0" * 100, "no model, or a damaged one"),
        (b"x", "no model, or a damaged one"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "photo.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"“photo\.safetensors” is {kind}"):
        open_weights(tmp_path / "photo.safetensors")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").touch()
    with pytest.raises(ModelFileError, match=r"“x\.ckpt” is empty"):
        open_weights(tmp_path / "x.ckpt")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"“x\.ckpt” is no longer in .*Refresh the checkpoint list"):
        open_weights(tmp_path / "x.ckpt")
