"""The safetensors format: a length, a JSON table, numbers (https://github.com/huggingface/safetensors#format)."""

import json
from typing import Any, cast

import torch

from modules.core.errors import ModelFileError
from modules.loading.mapped import MappedFile, StoredTensor, span

MAX_HEADER_BYTES = 100_000_000  # the format's own limit

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
    return 2 <= int.from_bytes(data[:8], "little") <= MAX_HEADER_BYTES and data[8:9] == b"{"


def read_safetensors(file: MappedFile) -> dict[str, StoredTensor]:
    """Return where the tensors of `file` lie.

    Raises:
        ModelFileError: the file is truncated or its table is not one.
    """
    header_end = 8 + int.from_bytes(file.bytes[:8], "little")
    if header_end > len(file):
        raise _truncated(file, header_end)
    table = _parse_table(file, file.bytes[8:header_end])
    table.pop("__metadata__", None)
    return {name: _locate(file, name, entry, header_end) for name, entry in table.items()}


def _parse_table(file: MappedFile, data: bytes) -> dict[str, Any]:
    try:
        table: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"“{file.path.name}” is damaged: its table of tensors cannot be read.") from error
    if not isinstance(table, dict):
        raise ModelFileError(f"“{file.path.name}” is damaged: its table of tensors is not a table.")
    return cast("dict[str, Any]", table)


def _locate(file: MappedFile, name: str, entry: Any, base: int) -> StoredTensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if (
            dtype in _DTYPES and all(isinstance(size, int) and size >= 0 for size in shape) and 0 <= begin <= end
        ):
            tensor = StoredTensor(file=file, start=base + begin, dtype=_DTYPES[dtype], shape=tuple(shape))
        case _:
            raise ModelFileError(f"“{file.path.name}” is damaged: its tensor {name} is described wrongly.")
    if base + end > len(file):
        raise _truncated(file, base + end)
    if span(tensor.shape, None) * tensor.dtype.itemsize != end - begin:
        raise ModelFileError(f"“{file.path.name}” is damaged: its tensor {name} has not the size that its shape says.")
    return tensor


def _truncated(file: MappedFile, needed: int) -> ModelFileError:
    return ModelFileError(
        f"“{file.path.name}” is truncated: it has {len(file):,} bytes and should have {needed:,} or more. "
        "Download it again."
    )
