"""Archives that lie about what is in them."""

import io
import struct
import tarfile
import zlib
from functools import partial

from tests.hostile.hostile_file import HostileFile
from tests.hostile.pickle_code import SYSTEM, whole
from tests.hostile.pickle_damage import NUMBERS, tensor, weights
from tools.fuzz.containers import LEGACY_HEAD, Entry, torch_legacy, torch_zip, zip_of

PICKLE = weights(tensor())
GOOD = (Entry(name=b"x/data.pkl", data=PICKLE), Entry(name=b"x/data/0", data=NUMBERS))
COMPRESSED = "is a compressed or encrypted archive"
DAMAGED = "is (truncated or )?damaged"
NO_MODEL = "is a zip archive, not a model"


def _pickle(**lies: object) -> bytes:
    return zip_of(Entry(name=b"x/data.pkl", data=PICKLE, **lies), GOOD[1])  # pyright: ignore[reportArgumentType]


def _numbers(**lies: object) -> bytes:
    return zip_of(GOOD[0], Entry(name=b"x/data/0", data=NUMBERS, **lies))  # pyright: ignore[reportArgumentType]


def _bomb() -> bytes:
    """A pickle of 10 GB that takes 10 MB."""
    squeeze = zlib.compressobj(9, wbits=-15)
    start = squeeze.compress(b"N" * 2**20) + squeeze.flush(zlib.Z_FULL_FLUSH)
    again = squeeze.compress(b"N" * 2**20) + squeeze.flush(zlib.Z_FULL_FLUSH)
    data = start + again * 10_000
    return zip_of(Entry(name=b"x/data.pkl", data=data, method=8, size=2**32 - 2))


def _small_bomb() -> bytes:
    """A pickle of 30 MB that takes 30 kB."""
    squeeze = zlib.compressobj(9, wbits=-15)
    pickle = b"\x80\2" + b"]" * 30_000_000
    data = squeeze.compress(pickle) + squeeze.flush()
    return zip_of(Entry(name=b"x/data.pkl", data=data, method=8, size=len(pickle), crc=zlib.crc32(pickle)))


def _nested() -> bytes:
    inner = zip_of(*GOOD)
    for _ in range(20):
        inner = zip_of(Entry(name=b"x/data.pkl", data=inner))
    return inner


def _many_entries() -> bytes:
    """A million entries, by repeating one of the directory."""
    entry = struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", 20, 20, *[0] * 13, 0) + b""
    directory = (entry[:28] + struct.pack("<H", 1) + entry[30:] + b"n") * 1_000_000
    head = b"PK\3\4" + bytes(26)
    zip64 = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, len(directory), len(head))
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(head) + len(directory), 1)
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return head + directory + zip64 + locator + end


def _zip64(size: int, offset: int) -> bytes:
    extra = struct.pack("<HHQQQ", 1, 24, size, size, offset)
    good = zip_of(GOOD[0], Entry(name=b"x/data/0", data=NUMBERS, extra=extra))
    place = good.rindex(b"PK\1\2")
    return good[: place + 20] + b"\xff" * 8 + good[place + 28 : place + 42] + b"\xff" * 4 + good[place + 46 :]


def _tar() -> bytes:
    """As `torch.save` wrote it before 0.1.10."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(whole(SYSTEM))
            archive.addfile(info, io.BytesIO(whole(SYSTEM)))
    return stream.getvalue()


def _before_the_start() -> bytes:
    """The directory claims to be so far behind its place that entries would begin before the file."""
    return zip_of(*GOOD, directory_shift=60)


ARCHIVES: tuple[HostileFile, ...] = tuple(
    HostileFile(name=name, make=make, fault=fault)
    for name, make, fault in (
        ("bomb of 10 GB", _bomb, f"{COMPRESSED}|claims to have"),
        ("bomb of 30 MB", _small_bomb, COMPRESSED),
        ("archives in archives", _nested, "its pickle cannot be read"),
        ("a million entries", _many_entries, "more entries than any model"),
        ("pickle that claims 4 GB", partial(_pickle, size=2**32 - 2), "claims to have"),
        ("pickle that claims one byte more", partial(_pickle, size=len(PICKLE) + 1), "is not intact"),
        ("pickle with a wrong checksum", partial(_pickle, crc=1), "is not intact"),
        ("numbers that claim 4 GB", partial(_numbers, size=2**32 - 2), "its tensor w is not complete"),
        ("encrypted pickle", partial(_pickle, flags=1), COMPRESSED),
        ("encrypted numbers", partial(_numbers, flags=1), COMPRESSED),
        ("unknown compression", partial(_numbers, method=99), COMPRESSED),
        ("compressed by LZMA", partial(_pickle, method=14), COMPRESSED),
        ("two pickles of one name", lambda: zip_of(GOOD[0], *GOOD), "the same name"),
        ("two models", lambda: zip_of(*GOOD, Entry(name=b"y/data.pkl", data=PICKLE)), NO_MODEL),
        ("no pickle", lambda: zip_of(GOOD[1]), NO_MODEL),
        ("no entries", lambda: b"PK\3\4" + zip_of(), NO_MODEL),
        ("path out of the folder", lambda: zip_of(Entry(name=b"../../x/data.pkl", data=PICKLE), GOOD[1]), NO_MODEL),
        ("absolute path", lambda: zip_of(Entry(name=b"/data.pkl", data=PICKLE), GOOD[1]), "numbers is missing"),
        (
            "symbolic link",
            lambda: zip_of(GOOD[0], Entry(name=b"x/data/0", data=b"/etc/passwd", attributes=0xA1FF0000)),
            "its tensor w is not complete",
        ),
        (
            "program of TorchScript",
            lambda: zip_of(*GOOD, Entry(name=b"x/constants.pkl"), Entry(name=b"x/code/a.py")),
            "TorchScript",
        ),
        ("numbers that lie in the pickle", partial(_numbers, offset=0), ""),
        ("numbers behind the end", partial(_numbers, offset=2**31), "not where it should be"),
        ("numbers where no entry begins", partial(_numbers, offset=7), "not where it should be"),
        ("numbers of 2^63 bytes", partial(_zip64, 2**63, 0), "its tensor w is not complete"),
        ("numbers at 2^63", partial(_zip64, 16, 2**63), "not where it should be"),
        ("directory behind the end", partial(zip_of, *GOOD, directory_shift=2**31), DAMAGED),
        ("entries before the start", _before_the_start, DAMAGED),
        ("comment of 65,535 bytes", partial(zip_of, *GOOD, comment=b"PK\5\6" * 16_383), DAMAGED),
        ("cut off", lambda: zip_of(*GOOD)[:-30], DAMAGED),
        ("name that is no text", lambda: zip_of(*GOOD, Entry(name=b"x/\xff\xfe", flags=0x800)), DAMAGED),
        ("name with a line end", lambda: zip_of(Entry(name=b"\n\x1b[2J/data.pkl", data=PICKLE)), "numbers is missing"),
        ("archive behind a pickle", lambda: torch_legacy(whole(SYSTEM)) + torch_zip(PICKLE, NUMBERS), "os.system"),
        ("archive behind code of another kind", lambda: zip_of(*GOOD, prefix=b"#!/bin/sh\nexit\n"), "is no model"),
        ("tar of before 0.1.10", _tar, "is no model"),
        ("big-endian, legacy", lambda: LEGACY_HEAD.replace(b"\x88s.", b"\x89s.") + PICKLE, "big-endian"),
        ("empty", lambda: b"", "is empty"),
        ("one byte", lambda: b"\x80", "is no model"),
    )
)
