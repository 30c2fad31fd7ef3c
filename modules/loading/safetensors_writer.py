"""Writes safetensors files tensor by tensor, so that no second copy of a model is ever in memory.

Format: https://github.com/huggingface/safetensors#format. `safetensors.torch.save_file` wants all tensors at once.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError, OutputError
from modules.core.shown import shown
from modules.loading.mapped import StoredTensor

PIECE = 4 * 2**20  # numbers that are converted at once
ALIGNMENT = 8  # bytes; of the header's end

_METADATA = "__metadata__"
_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A tensor to be written.

    Attributes:
        stored: where it lies.
        dtype: the number format to write.
    """

    stored: StoredTensor
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Bytes it will take."""
        return self.stored.nbytes // self.stored.dtype.itemsize * self.dtype.itemsize


def write_safetensors(
    target: Path,
    tensors: Mapping[str, Outgoing],
    texts: Mapping[str, str],
    *,
    replace: bool,
    on_progress: Callable[[float], None] = lambda _: None,
    token: CancelToken | None = None,
) -> int:
    """Write a file that appears under its name when it is complete, never before.

    Tensors that share numbers in their files get numbers of their own; all are contiguous.

    Args:
        target: the file.
        tensors: by name.
        texts: metadata.
        replace: whether a file of that name may be replaced.
        on_progress: called with 0..1, from this thread.
        token: lets the person give up waiting.

    Returns:
        Bytes of the file.

    Raises:
        OutputError: there is such a file, there is not enough space, or it cannot be written; nothing is left behind.
        ModelFileError: a tensor has a name that the format cannot hold, or numbers too large for the wanted format.
        Interrupted: the token was interrupted; nothing is left behind.
    """
    # The largest numbers first, as the library does, so that all begin at addresses that every kernel can use.
    ordered = dict(sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))
    header = _header(target, ordered, texts)
    size = len(header) + sum(tensor.size for tensor in ordered.values())
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        _check(target, size, replace=replace)
        try:
            with part.open("xb") as file:
                file.write(header)
                _write(file, ordered, on_progress, token)
            _check_free(target, replace=replace)
            part.replace(target)
        finally:  # also when the program is stopped
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot write {target}: {error.strerror or error}. Free some space, check the folder's rights, or choose "
            "another place."
        ) from error
    return size


def _check(target: Path, size: int, *, replace: bool) -> None:
    _check_free(target, replace=replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < size:
        raise OutputError(
            f"{target.name} will have {size:,} bytes, and only {free:,} are free in {target.parent}. Free some space "
            "or choose another place."
        )


def _check_free(target: Path, *, replace: bool) -> None:
    if target.is_dir():
        raise OutputError(f"{target} is a folder. Choose the name of a file.")
    if target.exists() and not replace:
        raise OutputError(f"{target} is there already. Choose another name, or allow it to be replaced.")


def _header(target: Path, tensors: Mapping[str, Outgoing], texts: Mapping[str, str]) -> bytes:
    table: dict[str, object] = {_METADATA: {_text(name): _text(text) for name, text in texts.items()}}
    start = 0
    for name, tensor in tensors.items():
        if name == _METADATA or name != _text(name):
            raise ModelFileError(f"{target.name} cannot hold a tensor called “{shown(name)}”.")
        end = start + tensor.size
        table[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.stored.shape),
            "data_offsets": [start, end],
        }
        start = end
    data = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    data += b" " * (-len(data) % ALIGNMENT)
    return len(data).to_bytes(8, "little") + data


def _text(text: str) -> str:
    """Replace halves of surrogate pairs, which UTF-8 cannot say."""
    return text.encode("utf-8", "replace").decode()


def _write(
    file: BinaryIO, tensors: Mapping[str, Outgoing], on_progress: Callable[[float], None], token: CancelToken | None
) -> None:
    total, written = sum(tensor.size for tensor in tensors.values()) or 1, 0
    for name, tensor in tensors.items():
        for piece in _pieces(tensor.stored.open()):
            if token is not None:
                token.check_interrupted()
            numbers = _converted(piece, tensor.dtype, name).contiguous()
            file.write(numbers.view(torch.uint8).numpy().data)
            written += numbers.nbytes
            on_progress(written / total)
        tensor.stored.release()


def _pieces(tensor: Tensor) -> Iterator[Tensor]:
    """Divide a tensor along its first dimension, or anywhere if its numbers lie in their order."""
    if tensor.numel() == 0:
        return
    tensor = tensor.reshape(-1) if tensor.is_contiguous() else tensor
    count = max(1, PIECE // (tensor.numel() // len(tensor)))
    yield from (tensor[start : start + count] for start in range(0, len(tensor), count))


def _converted(piece: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    if piece.dtype == dtype:
        return piece
    result = piece.to(dtype)
    infinite = ~result.isfinite()
    if infinite.any() and piece[infinite].double().isfinite().any():
        raise ModelFileError(
            f"The tensor {shown(name)} has numbers that are too large for {str(dtype).removeprefix('torch.')}. Choose "
            "bf16, or keep the format."
        )
    return result
