"""Files of `torch.save`: a zip archive since PyTorch 1.6, before that a row of pickles followed by the numbers.

The pickles go through `safe_pickle`, the numbers are looked at in place. Format: torch/serialization.py.
"""

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, cast

import torch

from modules.core.errors import ModelFileError
from modules.core.shown import shown
from modules.loading.mapped import MAX_TENSORS, MappedFile, StoredTensor, is_shape, span, too_many_tensors
from modules.loading.pickle_data import StorageRecord, TensorRecord
from modules.loading.safe_pickle import read_pickle

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MAX_PICKLE_BYTES = 32 * 2**20  # that of a full training checkpoint has about 1 MB
MAX_DIRECTORY_BYTES = 4 * 2**20  # of a zip archive; an entry takes about 100
MAX_NAME_CHARACTERS = 1000
MAX_SHARING = 8  # how often a file may use each of its numbers

# The legacy format begins with three small pickles and ends with one that lists storages.
_HEAD_STEPS, _KEYS_STEPS = 1000, 3 * MAX_TENSORS

# What `zipfile` raises for archives that are damaged, encrypted or of a kind it does not know.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip entry: signature, …, length of name, length of extra field


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Where a storage lies in the file, bytes."""

    start: int
    end: int


# How pickles of protocol 2 and later begin, and those of protocols 0 and 1 that are a call, a dict or a list.
_PICKLE = re.compile(rb"\x80[\2-\5]|\(?c[\w.]+\n[\w.]+\n|\([dl]p\d|[}\]]q\0")


def looks_like_torch(data: bytes) -> bool:
    """Whether the first bytes of a file are those of a zip archive or of a pickle."""
    return data.startswith(ZIP_MAGIC) or _PICKLE.match(data) is not None


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
    tensors = dict[str, StoredTensor]()
    for name, record in _tensors(_state_dict(content)):
        tensors[name] = _locate(file, name, record, find_block(record.storage))
        if len(tensors) > MAX_TENSORS:
            raise too_many_tensors(file)
    # Tensors may share numbers; but who copies them all must not need any amount of memory for a small file.
    if sum(tensor.nbytes for tensor in tensors.values()) > MAX_SHARING * len(file):
        raise ModelFileError(f"“{file.path.name}” is damaged: its tensors hold far more numbers than the file.")
    return FileContent(
        tensors=tensors, values={name: value for name, value in _entries(content) if isinstance(name, str)}
    )


def _state_dict(content: object) -> object:
    """The weights of a training checkpoint, which lie beside much else."""
    if isinstance(content, dict):
        return cast("dict[str, object]", content).get("state_dict", cast("object", content))
    return content


def _tensors(content: object) -> Iterator[tuple[str, TensorRecord]]:
    """Walk through nested dicts and lists. Each is entered once, so that no file can make this take forever."""
    if isinstance(content, TensorRecord):
        yield "", content
    entered, open_levels = {id(content)}, [("", iter(_entries(content)))]
    while open_levels:
        outer, entries = open_levels[-1]
        key, value = next(entries, (None, None))
        name = f"{outer}.{key}" if outer else str(key)
        if key is None:
            open_levels.pop()
        elif len(name) > MAX_NAME_CHARACTERS or id(value) in entered:
            continue
        elif isinstance(value, TensorRecord):
            yield name, value
        elif isinstance(value, (dict, list, tuple)):
            container = cast("object", value)
            entered.add(id(container))
            open_levels.append((name, iter(_entries(container))))


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
        and is_shape(record.shape)
        and record.offset + span(record.shape, record.stride) <= count
        and math.prod(record.shape) <= count  # no number is used twice
        and first + count <= storage.count
        and block.start + storage.count * dtype.itemsize <= block.end <= len(file)
    )
    if not inside:
        raise ModelFileError(f"“{file.path.name}” is truncated or damaged: its tensor {shown(name)} is not complete.")
    start = block.start + (first + record.offset) * dtype.itemsize
    return StoredTensor(file=file, start=start, dtype=dtype, shape=record.shape, stride=record.stride)


def _dtype(storage: StorageRecord) -> torch.dtype:
    return cast("torch.dtype", getattr(torch, storage.dtype))


# Zip archives.


def _read_zip(file: MappedFile) -> tuple[object, Callable[[StorageRecord], _Block]]:
    entries = _directory(file)
    folder = _folder(file, entries)
    order = entries.get(f"{folder}byteorder")
    if order and _small_entry(file, order) != b"little":
        raise ModelFileError(f"“{file.path.name}” was written on a big-endian machine and cannot be read here.")
    pickle = _small_entry(file, entries[f"{folder}data.pkl"])

    def find_block(storage: StorageRecord) -> _Block:
        entry = entries.get(f"{folder}data/{storage.key}")
        if entry is None:
            raise ModelFileError(
                f"“{file.path.name}” is damaged: its block {shown(storage.key)} of numbers is missing."
            )
        return _zip_block(file, entry)

    return read_pickle(io.BytesIO(pickle), source=file.path.name).value, find_block


def _directory(file: MappedFile) -> dict[str, zipfile.ZipInfo]:
    """Return the entries of the archive by name."""
    try:
        with file.path.open("rb") as stream, zipfile.ZipFile(cast("IO[bytes]", _Limited(stream))) as archive:
            found = archive.infolist()
    except _ZIP_ERRORS as error:
        fault = shown(str(error))
        raise ModelFileError(f"“{file.path.name}” is truncated or damaged: {fault}. Download it again.") from error
    entries = {entry.filename: entry for entry in found}
    if len(entries) < len(found):
        raise ModelFileError(f"“{file.path.name}” is damaged: two of its blocks have the same name.")
    return entries


class _Limited:
    """A file to read little from. `ZipFile` takes hundreds of bytes of memory for each entry that it finds."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, MAX_DIRECTORY_BYTES
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, count: int = -1) -> bytes:
        data = self._stream.read(count if 0 <= count <= self._left else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise zipfile.BadZipFile("it has more entries than any model")
        return data


def _folder(file: MappedFile, entries: dict[str, zipfile.ZipInfo]) -> str:
    """The folder in the archive, "archive/" mostly, that everything lies in."""
    folders = [name.removesuffix("data.pkl") for name in entries if name.split("/")[1:] == ["data.pkl"]]
    if len(folders) != 1:
        raise ModelFileError(f"“{file.path.name}” is a zip archive, not a model. Unpack it if it holds one.")
    if f"{folders[0]}constants.pkl" in entries:
        raise ModelFileError(f"“{file.path.name}” is a TorchScript program, not a checkpoint.")
    return folders[0]


def _small_entry(file: MappedFile, entry: zipfile.ZipInfo) -> bytes:
    name = shown(entry.filename)
    if entry.file_size > MAX_PICKLE_BYTES:
        raise ModelFileError(f"“{file.path.name}” is damaged: its {name} claims to have {entry.file_size:,} bytes.")
    block = _zip_block(file, entry)
    data = file.bytes[block.start : block.end]
    if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
        raise ModelFileError(
            f"“{file.path.name}” is truncated or damaged: its {name} is not intact. Download it again."
        )
    return data


def _zip_block(file: MappedFile, entry: zipfile.ZipInfo) -> _Block:
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise ModelFileError(
            f"“{file.path.name}” is a compressed or encrypted archive, which PyTorch never writes. Repack it without "
            "compression, or get the model as .safetensors."
        )
    place = max(entry.header_offset, 0)  # archives with a lie about their directory have entries before their start
    header = file.bytes[place : place + _LOCAL_HEADER.size]
    if place != entry.header_offset or len(header) < _LOCAL_HEADER.size or not header.startswith(ZIP_MAGIC):
        name = shown(entry.filename)
        raise ModelFileError(f"“{file.path.name}” is damaged: its block {name} is not where it should be.")
    _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = place + _LOCAL_HEADER.size + name_length + extra_length
    return _Block(start=start, end=start + entry.file_size)


# The legacy format.


def _read_legacy(file: MappedFile) -> tuple[object, Callable[[StorageRecord], _Block]]:
    name, stream = file.path.name, io.BytesIO(file.bytes[:MAX_PICKLE_BYTES])
    head = (read_pickle(stream, source=name, max_steps=_HEAD_STEPS).value for _ in range(3))
    if [next(head), next(head)] != [LEGACY_MAGIC_NUMBER, LEGACY_PROTOCOL]:
        raise ModelFileError(f"“{name}” is a pickle, but not one of PyTorch. It is no model that can be used here.")
    match next(head):
        case {"little_endian": True}:
            pass
        case _:
            raise ModelFileError(f"“{name}” was written on a big-endian machine and cannot be read here.")
    pickle = read_pickle(stream, source=name)
    keys_pickle = read_pickle(stream, source=name, max_steps=_KEYS_STEPS)
    keys = [key for _, key in _entries(keys_pickle.value) if isinstance(key, str)]
    if not pickle.storages.keys() <= set(keys):
        raise ModelFileError(f"“{name}” is damaged: its list of storages does not fit its content.")
    blocks = _legacy_blocks(file, stream.tell(), [pickle.storages[key] for key in keys if key in pickle.storages])
    return pickle.value, lambda storage: blocks[storage.key]


def _legacy_blocks(file: MappedFile, start: int, storages: list[StorageRecord]) -> dict[str, _Block]:
    """The storages begin at `start` (bytes) and follow in this order, each behind its number of elements (8 bytes)."""
    blocks = dict[str, _Block]()
    for storage in storages:
        if int.from_bytes(file.bytes[start : start + 8], "little") != storage.count:
            raise ModelFileError(f"“{file.path.name}” is truncated or damaged. Download it again.")
        end = start + 8 + storage.count * _dtype(storage).itemsize
        blocks[storage.key] = _Block(start=start + 8, end=end)
        start = end
    return blocks
