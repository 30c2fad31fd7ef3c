"""Writes archives, files of `torch.save` and safetensors byte by byte, so that each field can be a lie."""

import struct
import zlib
from dataclasses import dataclass

LEGACY_HEAD = b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}X\r\0\0\0little_endian\x88s."
"""The three small pickles that files before PyTorch 1.6 begin with."""

_NUMBERS = bytes(2**16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a zip archive; what is None is true.

    Attributes:
        name: in the archive.
        data: its bytes there.
        method: of compression.
        flags: of the entry.
        size: that it claims to have unpacked.
        crc: checksum that it claims.
        offset: where the directory says that it begins.
        extra: field in the directory.
        attributes: of the file, as the directory has them.
    """

    name: bytes
    data: bytes = b""
    method: int = 0
    flags: int = 0
    size: int | None = None
    crc: int | None = None
    offset: int | None = None
    extra: bytes = b""
    attributes: int = 0


def zip_of(*entries: Entry, directory_shift: int = 0, comment: bytes = b"", prefix: bytes = b"") -> bytes:
    """Return an archive; its directory claims to be `directory_shift` bytes behind where it is."""
    body, directory = bytearray(prefix), bytearray()
    for entry in entries:
        offset = len(body) if entry.offset is None else entry.offset
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        size = len(entry.data) if entry.size is None else entry.size
        common = struct.pack(
            "<HHHHHLLLHH",
            *(20, entry.flags, entry.method, 0, 33, crc, len(entry.data), size, len(entry.name), len(entry.extra)),
        )
        body += b"PK\3\4" + common[:-2] + struct.pack("<H", 0) + entry.name + entry.data
        directory += b"PK\1\2\x14\3" + common + struct.pack("<HHHLL", 0, 0, 0, entry.attributes, offset)
        directory += entry.name + entry.extra
    count = min(len(entries), 0xFFFF)
    end = struct.pack("<HHHHLLH", 0, 0, count, count, len(directory), len(body) + directory_shift, len(comment))
    return bytes(body + directory) + b"PK\5\6" + end + comment


def torch_zip(pickle: bytes, numbers: bytes = b"") -> bytes:
    """Return a file of `torch.save` with this pickle and one storage, "0"."""
    return zip_of(
        Entry(name=b"archive/data.pkl", data=pickle),
        Entry(name=b"archive/byteorder", data=b"little"),
        Entry(name=b"archive/data/0", data=numbers),
    )


def torch_legacy(pickle: bytes, keys: bytes = b"\x80\2].") -> bytes:
    """Return a file of `torch.save` before PyTorch 1.6 with this pickle and no storages."""
    return LEGACY_HEAD + pickle + keys


def with_length(table: bytes) -> bytes:
    """Return a file with this table, whose tensors fit if there are not too many."""
    return len(table).to_bytes(8, "little") + table + _NUMBERS


def with_numbers(table: bytes) -> bytes:
    """Return the same with as many numbers as the highest offset in the table asks for."""
    ends = [int(part) for part in table.replace(b"]", b",").split(b",") if part.isdigit() and len(part) < 6]
    return len(table).to_bytes(8, "little") + table + _NUMBERS[: max(ends, default=0)]
