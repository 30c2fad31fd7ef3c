"""The safetensors format: a length, a JSON table, numbers (https://github.com/huggingface/safetensors#format)."""

import json
from typing import Any, cast

import torch

from modules.core.errors import ModelFileError
from modules.core.shown import shown
from modules.library.safetensors_header import MAX_HEADER_BYTES
from modules.loading.mapped import MAX_NUMBERS, MAX_TENSORS, MappedFile, StoredTensor, is_shape, span, too_many_tensors

FORMAT_LIMIT = 100_000_000  # bytes of a header; we allow fewer, since JSON can take 30 times as many in memory
MAX_NAME_CHARACTERS = 1000

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def looks_like_safetensors(data: bytes) -> bool:
    """Whether the first 9 bytes of a file are a plausible length and the beginning of a JSON table."""
    return 2 <= int.from_bytes(data[:8], "little") <= FORMAT_LIMIT and data[8:9] == b"{"


def read_safetensors(file: MappedFile) -> dict[str, StoredTensor]:
    """Return where the tensors of `file` lie.

    Raises:
        ModelFileError: the file is truncated, or its table does not describe it as the format demands.
    """
    length = int.from_bytes(file.bytes[:8], "little")
    if 8 + length > len(file):
        raise _truncated(file, 8 + length)
    if length > MAX_HEADER_BYTES:
        raise ModelFileError(
            f"“{file.path.name}” cannot be used: its table of tensors has {length:,} bytes, and {MAX_HEADER_BYTES:,} "
            "are allowed. Save it again without the texts in its header."
        )
    table = _parse_table(file, file.bytes[8 : 8 + length])
    table.pop("__metadata__", None)
    if len(table) > MAX_TENSORS:
        raise too_many_tensors(file)
    tensors = {name: _locate(file, name, entry, 8 + length) for name, entry in table.items()}
    _check_order(file, tensors, 8 + length)
    return tensors


def _parse_table(file: MappedFile, data: bytes) -> dict[str, Any]:
    try:
        table: Any = json.loads(str(data, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"“{file.path.name}” is damaged: its table of tensors cannot be read.") from error
    if not isinstance(table, dict):
        raise ModelFileError(f"“{file.path.name}” is damaged: its table of tensors is not a table.")
    return cast("dict[str, Any]", table)


def _locate(file: MappedFile, name: str, entry: Any, base: int) -> StoredTensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if (
            dtype in _DTYPES
            and all(type(size) is int and 0 <= size <= MAX_NUMBERS for size in shape)
            and is_shape(shape)
            and 0 <= begin <= end <= MAX_NUMBERS
            and len(name) <= MAX_NAME_CHARACTERS
        ):
            tensor = StoredTensor(file=file, start=base + begin, dtype=_DTYPES[dtype], shape=tuple(shape))
        case _:
            raise ModelFileError(f"“{file.path.name}” is damaged: its tensor {shown(name)} is described wrongly.")
    if base + end > len(file):
        raise _truncated(file, base + end)
    if span(tensor.shape, None) * tensor.dtype.itemsize != end - begin:
        raise ModelFileError(
            f"“{file.path.name}” is damaged: its tensor {shown(name)} has not the size that its shape says."
        )
    return tensor


def _check_order(file: MappedFile, tensors: dict[str, StoredTensor], start: int) -> None:
    """Check that the tensors fill the file from `start` (bytes) on and share nothing, as the format demands."""
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].nbytes)):
        if tensor.start != start:
            fault = "overlaps another one" if tensor.start < start else "does not follow the one before it"
            raise ModelFileError(f"“{file.path.name}” is damaged: its tensor {shown(name)} {fault}.")
        start += tensor.nbytes
    if start != len(file):
        raise ModelFileError(
            f"“{file.path.name}” is damaged: there are {len(file) - start:,} bytes behind its last tensor. "
            "Download it again."
        )


def _truncated(file: MappedFile, needed: int) -> ModelFileError:
    return ModelFileError(
        f"“{file.path.name}” is truncated: it has {len(file):,} bytes and should have {needed:,} or more. "
        "Download it again."
    )
