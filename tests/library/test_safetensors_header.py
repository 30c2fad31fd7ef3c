import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]  # half-typed

from modules.core.errors import ModelFileError
from modules.library.safetensors_header import MAXIMUM_HEADER, read_header


def write(path: Path, header: Any, data: bytes = b"") -> Path:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + data)
    return path


def test_reads_what_the_library_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {"a.weight": np.zeros((2, 3), dtype=np.float16), "b": np.zeros((), dtype=np.float32)}
    save_file(tensors, path, metadata={"modelspec.title": "My model", "modelspec.author": "me", "format": "pt"})
    header = read_header(path)
    assert header.metadata == {"modelspec.title": "My model", "modelspec.author": "me", "format": "pt"}
    assert header.modelspec == {"title": "My model", "author": "me"}
    assert header.tensors["a.weight"].dtype == "F16"
    assert header.tensors["a.weight"].shape == (2, 3)
    assert header.tensors["b"].shape == ()
    ends = [entry.data_offsets[1] for entry in header.tensors.values()]
    assert header.data_start + max(ends) == path.stat().st_size


def test_metadata_that_are_no_texts_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", {"__metadata__": {"a": "text", "b": 5, "c": None}})
    assert read_header(path).metadata == {"a": "text"}
    assert read_header(write(tmp_path / "y.safetensors", {"__metadata__": "text"})).metadata == {}


ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("header", "data", "sentence"),
    [
        ({"a": ENTRY}, b"123", "truncated: 1 bytes are missing"),
        ({"a": ENTRY | {"shape": [-1]}}, b"1234", "damaged: its header is wrong about the tensor a"),
        ({"a": ENTRY | {"data_offsets": [0]}}, b"1234", "damaged"),
        ({"a": 5}, b"1234", "damaged"),
        ([1], b"", "not a JSON object"),
        (b"{", b"", "not JSON"),
        (b"\xff\xfe", b"", "not JSON"),
        (b"[" * 100_000, b"", "not JSON"),
    ],
)
def test_damage_is_answered_clearly(header: Any, data: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=rf"x\.safetensors is .*{sentence}"):
        read_header(write(tmp_path / "x.safetensors", header, data))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        (MAXIMUM_HEADER + 1).to_bytes(8, "little") + b"{}",
        (100).to_bytes(8, "little") + b"{}",
    ],
    ids=["empty", "short", "image", "huge header", "cut off"],
)
def test_what_is_no_safetensors_file_is_answered_clearly(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"x\.safetensors is .*not a safetensors file"):
        read_header(tmp_path / "x.safetensors")


def test_a_missing_file_is_answered_clearly(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"Cannot read .*gone\.safetensors: No such file"):
        read_header(tmp_path / "gone.safetensors")
