import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from modules.core.errors import ModelFileError
from modules.library.safetensors_header import MAX_HEADER_BYTES
from modules.loading.mapped import MappedFile
from modules.loading.safetensors_file import looks_like_safetensors, read_safetensors
from tests.checkpoint_variants import truncate

FORMATS = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


def write(path: Path, table: object, data: bytes = b"\0" * 16) -> MappedFile:
    header = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return MappedFile(path)


def entry(dtype: str = "F32", shape: object = (4,), offsets: object = (0, 16)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_every_number_format(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = torch.arange(12).view(3, 4).to(dtype)
    save_file({"a": tensor, "scalar": tensor[0, 0].clone(), "empty": tensor[:0].clone()}, tmp_path / "x.safetensors")
    found = read_safetensors(MappedFile(tmp_path / "x.safetensors"))
    assert found["a"].dtype == dtype
    assert torch.equal(found["a"].open().float(), tensor.float())
    assert found["scalar"].open().shape == ()
    assert found["empty"].open().shape == (0, 4)


def test_metadata_is_no_tensor(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors", metadata={"format": "pt"})
    assert read_safetensors(MappedFile(tmp_path / "x.safetensors")).keys() == {"a"}


def test_numbers_at_an_odd_offset(tmp_path: Path) -> None:
    numbers = struct.pack("<4f", 1, 2, 3, 4)
    table = json.dumps({"a": entry()}).encode()
    table += b" " * (1 - len(table) % 2)
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(table)) + table + numbers)
    assert (8 + len(table)) % 2 == 1
    found = read_safetensors(MappedFile(tmp_path / "x"))["a"].open()
    assert torch.equal(found, torch.tensor([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize("keep", [0.001, 0.5, 0.9999])
def test_a_truncated_file(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "x.safetensors"
    save_file({str(number): torch.ones(100) for number in range(20)}, path)
    with pytest.raises(ModelFileError, match=r"“x\.safetensors” is truncated: .* Download it again"):
        read_safetensors(MappedFile(truncate(path, keep=keep)))


@pytest.mark.parametrize(
    "table",
    [
        [],
        {"a": None},
        {"a": {}},
        {"a": entry(dtype="F31")},
        {"a": entry(shape=(-4,))},
        {"a": entry(shape=(4.0,))},
        {"a": entry(shape="4")},
        {"a": entry(shape=(5,))},
        {"a": entry(shape=(2**40, 2**40))},
        {"a": entry(offsets=(16, 0))},
        {"a": entry(offsets=(-16, 0))},
        {"a": entry(offsets=(0,))},
        {"a": entry(offsets=(0.0, 16.0))},
    ],
)
def test_a_table_that_makes_no_sense(tmp_path: Path, table: object) -> None:
    with pytest.raises(ModelFileError, match=r"“x” is damaged: its (table|tensor a)"):
        read_safetensors(write(tmp_path / "x", table))


@pytest.mark.parametrize("table", [b"{\xff}", b"{", b"{" * 100_000])
def test_a_table_that_is_no_json(tmp_path: Path, table: bytes) -> None:
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(table)) + table)
    with pytest.raises(ModelFileError, match="its table of tensors cannot be read"):
        read_safetensors(MappedFile(tmp_path / "x"))


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"a": entry(), "b": entry()}, "its tensor b overlaps another one"),
        ({"a": entry(offsets=(16, 32))}, "its tensor a does not follow the one before it"),
        ({"a": entry(), "b": entry(shape=(3,), offsets=(20, 32))}, "its tensor b does not follow"),
        ({"a": entry()}, "there are 16 bytes behind its last tensor"),
        ({}, "there are 32 bytes behind its last tensor"),
    ],
)
def test_tensors_fill_the_file_without_sharing(tmp_path: Path, table: object, fault: str) -> None:
    with pytest.raises(ModelFileError, match=fault):
        read_safetensors(write(tmp_path / "x", table, bytes(32)))


def test_the_order_of_the_table_does_not_count(tmp_path: Path) -> None:
    empty = entry(shape=(0,), offsets=(16, 16))
    found = read_safetensors(write(tmp_path / "x", {"b": entry(offsets=(16, 32)), "e": empty, "a": entry()}, bytes(32)))
    assert found.keys() == {"a", "b", "e"}


def test_a_table_that_would_need_too_much_memory(tmp_path: Path) -> None:
    table = b"{}" + b" " * MAX_HEADER_BYTES
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(table)) + table)
    with pytest.raises(ModelFileError, match=r"its table of tensors has 8,388,610 bytes, and 8,388,608 are allowed"):
        read_safetensors(MappedFile(tmp_path / "x"))


def test_recognition() -> None:
    assert looks_like_safetensors(struct.pack("<Q", 100) + b"{")
    assert not looks_like_safetensors(struct.pack("<Q", 100) + b"x")
    assert not looks_like_safetensors(struct.pack("<Q", 2**40) + b"{")
    assert not looks_like_safetensors(b"")
