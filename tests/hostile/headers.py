"""Safetensors files whose table is a lie, a bomb or no table."""

import json
import struct
from functools import partial

from tests.hostile.archives import GOOD
from tests.hostile.hostile_file import HostileFile
from tools.fuzz.containers import zip_of

WRONG = "its tensor a is described wrongly"
NO_TABLE = "its table of tensors cannot be read"


def file_of(table: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(table) if length is None else length) + table + data


def _tables(data: bytes = bytes(16), **tensors: object) -> bytes:
    return file_of(json.dumps(tensors).encode(), data)


def _entry(dtype: object = "F32", shape: object = (4,), offsets: object = (0, 16), **more: object) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


def _shape(digits: str) -> bytes:
    table = f'{{"a":{{"dtype":"F32","shape":[{digits}],"data_offsets":[0,16]}}}}'
    return file_of(table.encode(), bytes(16))


def _bomb(unit: str) -> bytes:
    """A table of 8 MiB that takes as much memory as JSON can."""
    return file_of(('{"a":[' + unit * (2**23 // len(unit) - 4) + "0]}").encode())


ONE = _entry()

HEADERS: tuple[HostileFile, ...] = tuple(
    HostileFile(name=name, make=make, fault=fault, suffix=".safetensors")
    for name, make, fault in (
        ("header of 2^63 bytes", lambda: file_of(b"{}", length=2**63), "is no model"),
        ("header of 2^64 - 1 bytes", lambda: file_of(b"{}", length=2**64 - 1), "is no model"),
        ("header longer than the file", lambda: file_of(b"{}", length=90_000_000), "is truncated"),
        ("header of 20 MB", lambda: file_of(b"{}" + b" " * 20_000_000), "its table of tensors has"),
        ("header of no bytes", lambda: file_of(b"", bytes(16)), "is no model"),
        ("header of spaces", lambda: file_of(b" " * 1000), "is no model"),
        ("header of nothing but braces", lambda: file_of(b"{" * 1_000_000), NO_TABLE),
        ("lists a million deep", lambda: file_of(b'{"a":' + b"[" * 1_000_000), NO_TABLE),
        ("lists 500,000 deep, closed", lambda: file_of(b'{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}"), NO_TABLE),
        ("8 MiB of empty lists", partial(_bomb, "[],"), "described wrongly"),
        ("8 MiB of lists of numbers", partial(_bomb, "[0.5],"), "described wrongly"),
        ("metadata a million deep", lambda: file_of(b'{"__metadata__":' + b'{"a":' * 1_000_000), NO_TABLE),
        ("not UTF-8", lambda: file_of(b'{"\xff\xfe":1}'), NO_TABLE),
        ("UTF-16", lambda: file_of("{}".encode("utf-16-le"), bytes(4)), NO_TABLE),
        ("half of a surrogate pair as bytes", lambda: file_of(b'{"\xed\xa0\x80":1}'), NO_TABLE),
        ("list instead of a table", lambda: file_of(b"{}", length=2) + b"x", "behind its last tensor"),
        ("number of a million digits", partial(_shape, "1" * 1_000_000), NO_TABLE),
        ("number of 4,000 digits", partial(_shape, "1" * 4000), WRONG),
        ("2,000 numbers of 4,000 digits", partial(_shape, ",".join(["1" * 4000] * 2000)), WRONG),
        ("half a million dimensions", partial(_shape, ",".join(["999999999999"] * 500_000)), WRONG),
        ("size that is no number", partial(_shape, "NaN"), WRONG),
        ("infinite size", partial(_shape, "Infinity"), WRONG),
        ("size that is a truth value", partial(_shape, "true,4"), WRONG),
        ("product that overflows", partial(_tables, a=_entry(shape=[2**32, 2**32])), WRONG),
        ("product that overflows to the right size", partial(_tables, a=_entry(shape=[2**32, 2**32 + 1, 4])), WRONG),
        (
            "empty tensor that overflows",
            partial(_tables, b"", a=_entry(shape=[0, 2**48, 2**48], offsets=[0, 0])),
            WRONG,
        ),
        ("negative size", partial(_tables, a=_entry(shape=[-4])), WRONG),
        ("two negative sizes", partial(_tables, a=_entry(shape=[-2, -2])), WRONG),
        ("negative offset", partial(_tables, a=_entry(offsets=[-16, 0])), WRONG),
        ("offsets in the wrong order", partial(_tables, a=_entry(offsets=[16, 0])), WRONG),
        ("offset of 2^64", partial(_tables, a=_entry(offsets=[2**64, 2**64 + 16])), WRONG),
        ("offset behind the end", partial(_tables, a=_entry(offsets=[16, 32])), "is truncated"),
        ("one offset", partial(_tables, a=_entry(offsets=[0])), WRONG),
        ("offsets that are texts", partial(_tables, a=_entry(offsets=["0", "16"])), WRONG),
        (
            "size that does not fit the offsets",
            partial(_tables, a=_entry(shape=[3])),
            "not the size that its shape says",
        ),
        ("unknown number format", partial(_tables, a=_entry(dtype="F31")), WRONG),
        ("number format that is a list", partial(_tables, a=_entry(dtype=["F32"])), WRONG),
        ("tensor that is a number", partial(_tables, a=5), WRONG),
        ("the same numbers twice", partial(_tables, a=ONE, b=ONE), "overlaps another one"),
        ("overlap of one byte", partial(_tables, bytes(31), a=ONE, b=_entry(offsets=[15, 31])), "overlaps another one"),
        ("30,000 tensors of the same numbers", partial(_tables, **{f"{i}": ONE for i in range(30_000)}), "overlaps"),
        ("hole before the first tensor", partial(_tables, bytes(32), a=_entry(offsets=[16, 32])), "does not follow"),
        ("hole between tensors", partial(_tables, bytes(48), a=ONE, b=_entry(offsets=[32, 48])), "does not follow"),
        ("archive behind the tensors", lambda: _tables(a=ONE) + zip_of(*GOOD), "behind its last tensor"),
        ("a name twice", lambda: file_of(b'{"a":5,"a":%s}' % json.dumps(ONE).encode(), bytes(16)), ""),
        (
            "metadata that are no texts",
            partial(_tables, a=ONE, __metadata__={"a": 5, "b": [1], "ss_tag_frequency": {}}),
            "",
        ),
        ("metadata that are a list", partial(_tables, a=ONE, __metadata__=[1]), ""),
        (
            "metadata with metadata a million deep",
            partial(_tables, a=ONE, __metadata__={"ss_tag_frequency": "[" * 1_000_000}),
            "",
        ),
        (
            "metadata with huge counts",
            partial(_tables, a=ONE, __metadata__={"ss_tag_frequency": '{"a":{"b":' + "9" * 5000 + "}}"}),
            "",
        ),
        (
            "metadata with half of a surrogate pair",
            partial(_tables, a=ONE, __metadata__={"ss_output_name": "\ud800"}),
            "",
        ),
        ("name with half of a surrogate pair", partial(_tables, **{"\ud800\n\x1b[2J": 5}), "is described wrongly"),
        ("name of a million characters", partial(_tables, **{"a" * 1_000_000: ONE}), "is described wrongly"),
        (
            "100,000 empty tensors",
            partial(_tables, b"", **{f"{i}": _entry(shape=[0], offsets=[0, 0]) for i in range(100_000)}),
            "more than 50,000 tensors",
        ),
    )
)
