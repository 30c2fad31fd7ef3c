import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from modules.library.safetensors_header import MAX_HEADER_BYTES, read_header
from tests.safetensors_headers import with_length


def test_a_file_that_the_library_itself_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a.weight": torch.zeros(2, 3)}, path, metadata={"modelspec.title": "Tiny, übung"})
    header = read_header(path)
    assert header
    assert header.texts == {"modelspec.title": "Tiny, übung"}
    assert list(header.tensors) == ["a.weight"]
    assert header.shape("a.weight") == (2, 3)
    assert header.shape("b.weight") == ()


@pytest.mark.parametrize(
    "table", [{}, {"__metadata__": None}, {"__metadata__": ["x"]}, {"__metadata__": {"a": 1, "b": None, "c": {}}}]
)
def test_metadata_that_is_no_text_is_left_out(tmp_path: Path, table: dict[str, object]) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(with_length(json.dumps(table).encode()))
    header = read_header(path)
    assert header
    assert (header.texts, header.tensors) == ({}, {})


@pytest.mark.parametrize("described", [None, 1, "x", [], {}, {"shape": 5}, {"shape": {"a": 1}}])
def test_a_damaged_tensor_has_no_shape(tmp_path: Path, described: object) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(with_length(json.dumps({"a": described}).encode()))
    header = read_header(path)
    assert header
    assert header.shape("a") == ()


DAMAGED = {
    "empty": b"",
    "short": b"\x02\0\0",
    "no table": with_length(b""),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "a zip": b"PK\x03\x04" + bytes(100),
    "cut off": with_length(b'{"a": {"dtype": "F16"', length=1000),
    "a list": with_length(b"[1, 2]"),
    "not JSON": with_length(b"{red cat}"),
    "not UTF-8": with_length(b'{"a\xff": 1}'),
    "a number without end": with_length(b'{"a": ' + b"1" * 10_000 + b"}"),
    "deep": with_length(b'{"a": ' + b"[" * 200_000),
    "a huge length": with_length(b"{}", length=2**63),
    "larger than allowed": with_length(b"{}" + b" " * MAX_HEADER_BYTES),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_damaged_or_hostile_has_no_header(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    assert read_header(path) is None


def test_what_cannot_be_read_has_no_header(tmp_path: Path) -> None:
    assert read_header(tmp_path) is None
    assert read_header(tmp_path / "missing.safetensors") is None
