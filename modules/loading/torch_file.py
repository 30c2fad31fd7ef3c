"""Files of `torch.save`: a zip archive since PyTorch 1.6, before that a row of pickles followed by the numbers.

The pickles go through `safe_pickle`, the numbers are looked at in place. Format: torch/serialization.py.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, cast

import torch

from modules.core.errors import ModelFileError
from modules.loading.mapped import MappedFile, StoredTensor, span
from modules.loading.pickle_data import StorageRecord, TensorRecord
from modules.loading.safe_pickle import read_pickle

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MAX_PICKLE_BYTES = 256 * 2**20  # of a full training checkpoint it is about 1 MB
MAX_BYTE_ORDER_BYTES = 16
MAX_NAME_CHARACTERS = 1000

# What `zipfile` raises for archives that are damaged, encrypted or of a kind it does not know.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip entry: signature, …, length of name, length of extra field


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Where a storage lies in the file, bytes."""

    start: int
    end: int


def looks_like_torch(data: bytes) -> bool:
    """Whether the first bytes of a file are those of a zip archive or of a pickle of protocol 2 or later."""
    return data.startswith(ZIP_MAGIC) or (data[:1] == b"\x80" and data[1:2] in {b"\2", b"\3", b"\4", b"\5"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """What a file of weights holds.

    Attributes:
        tensors: where they lie, under the names that lead to them, joined by dots.
        values: what the outermost dict holds under texts; see `PickleContent.value` for what that may be.
    """

    tensors: dict[str, StoredTensor]
    values: dict[str, object]


def read_torch(file: MappedFile) -> dict[str, StoredTensor]:
    """Return the tensors of `read_torch_content`."""
    return read_torch_content(file).tensors


def read_torch_content(file: MappedFile) -> FileContent:
    """Return what `file` holds; no numbers of its tensors are read.

    Raises:
        UnsafeFileError: a pickle in it names something that is not model data; nothing of it was run.
        ModelFileError: the file is damaged, or is not one of `torch.save`.
    """
    if file.bytes[:4] == ZIP_MAGIC:
        content, find_block = _read_zip(file)
    else:
        content, find_block = _read_legacy(file)
    weights = _state_dict(content)
    return FileContent(
        tensors={name: _locate(file, name, record, find_block(record.storage)) for name, record in _tensors(weights)},
        values={name: value for name, value in _entries(content) if isinstance(name, str)},
    )


def _state_dict(content: object) -> object:
    """The weights of a training checkpoint, which lie beside much else."""
    if isinstance(content, dict):
        return cast("dict[str, object]", content).get("state_dict", cast("object", content))
    return content


def _tensors(content: object) -> Iterator[tuple[str, TensorRecord]]:
    """Walk through nested dicts and lists. Each is entered once, so that no file can make this take forever."""
    waiting, entered = [("", content)], set[int]()
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, TensorRecord):
            yield name, value
        elif id(value) not in entered:
            entered.add(id(value))
            inner = [(f"{name}.{key}" if name else str(key), entry) for key, entry in _entries(value)]
            waiting.extend(entry for entry in reversed(inner) if len(entry[0]) <= MAX_NAME_CHARACTERS)


def _entries(container: object) -> Iterable[tuple[object, object]]:
    if isinstance(container, dict):
        return cast("dict[object, object]", container).items()
    if isinstance(container, (list, tuple)):
        return enumerate(cast("list[object]", container))
    return ()


def _locate(file: MappedFile, name: str, record: TensorRecord, block: _Block) -> StoredTensor:
    """Check that the tensor lies within its storage and the storage within the file."""
    storage, dtype = record.storage, _dtype(record.storage)
    first, count = storage.view or (0, storage.count)
    inside = (
        len(record.shape) == len(record.stride)
        and record.offset + span(record.shape, record.stride) <= count
        and math.prod(record.shape) <= count  # no number is used twice
        and first + count <= storage.count
        and block.start + storage.count * dtype.itemsize <= block.end <= len(file)
    )
    if not inside:
        raise ModelFileError(f"“{file.path.name}” is truncated or damaged: its tensor {name} is not complete.")
    start = block.start + (first + record.offset) * dtype.itemsize
    return StoredTensor(file=file, start=start, dtype=dtype, shape=record.shape, stride=record.stride)


def _dtype(storage: StorageRecord) -> torch.dtype:
    return cast("torch.dtype", getattr(torch, storage.dtype))


# Zip archives.


def _read_zip(file: MappedFile) -> tuple[object, Callable[[StorageRecord], _Block]]:
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            folder = _folder(file, entries)
            pickle = _small_entry(file, archive, entries[f"{folder}data.pkl"], MAX_PICKLE_BYTES)
            order = entries.get(f"{folder}byteorder")
            if order and _small_entry(file, archive, order, MAX_BYTE_ORDER_BYTES) != b"little":
                raise ModelFileError(f"“{file.path.name}” was written on a big-endian machine and cannot be read here.")
    except _ZIP_ERRORS as error:
        raise ModelFileError(f"“{file.path.name}” is truncated or damaged: {error}. Download it again.") from error

    def find_block(storage: StorageRecord) -> _Block:
        entry = entries.get(f"{folder}data/{storage.key}")
        if entry is None:
            raise ModelFileError(f"“{file.path.name}” is damaged: its block {storage.key} of numbers is missing.")
        return _zip_block(file, entry)

    return read_pickle(io.BytesIO(pickle), source=file.path.name).value, find_block


def _folder(file: MappedFile, entries: dict[str, zipfile.ZipInfo]) -> str:
    """The folder in the archive, "archive/" mostly, that everything lies in."""
    folders = [name.removesuffix("data.pkl") for name in entries if name.split("/")[1:] == ["data.pkl"]]
    if len(folders) != 1:
        raise ModelFileError(f"“{file.path.name}” is a zip archive, not a model. Unpack it if it holds one.")
    if f"{folders[0]}constants.pkl" in entries:
        raise ModelFileError(f"“{file.path.name}” is a TorchScript program, not a checkpoint.")
    return folders[0]


def _small_entry(file: MappedFile, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    if entry.file_size > limit:
        raise ModelFileError(
            f"“{file.path.name}” is damaged: its {entry.filename} claims to have {entry.file_size:,} bytes."
        )
    return archive.read(entry)


def _zip_block(file: MappedFile, entry: zipfile.ZipInfo) -> _Block:
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise ModelFileError(
            f"“{file.path.name}” is a compressed or encrypted archive, which PyTorch never writes. Repack it without "
            "compression, or get the model as .safetensors."
        )
    header = file.bytes[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size]
    if len(header) < _LOCAL_HEADER.size or not header.startswith(ZIP_MAGIC):
        raise ModelFileError(f"“{file.path.name}” is damaged: its block {entry.filename} is not where it should be.")
    _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    return _Block(start=start, end=start + entry.file_size)


# The legacy format.


def _read_legacy(file: MappedFile) -> tuple[object, Callable[[StorageRecord], _Block]]:
    name, stream = file.path.name, cast("IO[bytes]", file.bytes)
    file.bytes.seek(0)
    if [read_pickle(stream, source=name).value for _ in range(2)] != [LEGACY_MAGIC_NUMBER, LEGACY_PROTOCOL]:
        raise ModelFileError(f"“{name}” is a pickle, but not one of PyTorch. It is no model that can be used here.")
    match read_pickle(stream, source=name).value:
        case {"little_endian": True}:
            pass
        case _:
            raise ModelFileError(f"“{name}” was written on a big-endian machine and cannot be read here.")
    pickle = read_pickle(stream, source=name)
    keys = [key for _, key in _entries(read_pickle(stream, source=name).value) if isinstance(key, str)]
    if not pickle.storages.keys() <= set(keys):
        raise ModelFileError(f"“{name}” is damaged: its list of storages does not fit its content.")
    blocks = _legacy_blocks(file, [pickle.storages[key] for key in keys if key in pickle.storages])
    return pickle.value, lambda storage: blocks[storage.key]


def _legacy_blocks(file: MappedFile, storages: list[StorageRecord]) -> dict[str, _Block]:
    """The storages follow the pickles in this order, each behind its number of elements (8 bytes)."""
    blocks, start = dict[str, _Block](), file.bytes.tell()
    for storage in storages:
        if int.from_bytes(file.bytes[start : start + 8], "little") != storage.count:
            raise ModelFileError(f"“{file.path.name}” is truncated or damaged. Download it again.")
        end = start + 8 + storage.count * _dtype(storage).itemsize
        blocks[storage.key] = _Block(start=start + 8, end=end)
        start = end
    return blocks
