"""Pickles without code that would fill the memory, take forever, or crash who believes them."""

import struct
from functools import partial

from tests.hostile.hostile_file import HostileFile
from tests.hostile.pickle_code import named, text, whole
from tools.fuzz.containers import torch_legacy, torch_zip

NUMBERS = struct.pack("<4f", 1, 2, 3, 4) * 256
DAMAGED = "is damaged or truncated: its pickle cannot be read"
INCOMPLETE = "its tensor w is not complete"


def number(value: int) -> bytes:
    """Push a number of any size."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def storage(key: str = "0", count: int = 4, kind: str = "FloatStorage", more: bytes = b"") -> bytes:
    return b"(" + text("storage") + named("torch", kind) + text(key) + text("cpu") + number(count) + more + b"tQ"


def counts(*values: int) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(offset: int = 0, shape: bytes = counts(4), stride: bytes = counts(1), of: bytes = storage()) -> bytes:
    arguments = of + number(offset) + shape + stride + b"\x89" + named("collections", "OrderedDict") + b")R"
    return named("torch._utils", "_rebuild_tensor_v2") + b"(" + arguments + b"tR"


def weights(value: bytes) -> bytes:
    return whole(b"}" + text("w") + value + b"s")


def laughs() -> bytes:
    """Ten lists, each with ten times the one before it."""
    return whole(
        b"]q\0"
        + b"".join(b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1]) for i in range(10))
    )


def shared_lists() -> bytes:
    """OrderedDicts, each made of the same list of 20,000 pairs."""
    pairs = b"](" + b"".join(b"M" + struct.pack("<H", i) + b"N\x86" for i in range(20_000)) + b"e\x85q\0"
    return whole(pairs + named("collections", "OrderedDict") + b"q\1(" + b"h\1h\0R" * 100_000 + b"t")


def shared_states() -> bytes:
    """Holders of parameters, each with the same 10,000 of them."""
    parameters = b"}(" + b"".join(b"M" + struct.pack("<H", i) + b"N" for i in range(10_000)) + b"u"
    holder = named("torch.nn.modules.container", "ParameterDict")
    return whole(b"}" + text("_parameters") + parameters + b"sq\0" + holder + b"q\1(" + b"h\1)\x81h\0b" * 60_000 + b"t")


def shared_texts() -> bytes:
    """A text of 10 MB that is to be made bytes 100,000 times."""
    start = text("x" * 10_000_000) + text("latin1") + b"\x86q\0" + named("_codecs", "encode") + b"q\1("
    return whole(start + b"h\1h\0R" * 100_000 + b"t")


def nested_calls() -> bytes:
    """Attributes of attributes of … a tensor, 900 deep, and that 100,000 times."""
    call = named("torch._tensor", "_rebuild_from_type_v2") + b"q\0"
    start = call + b"0)" + b"".join(b"q\1" + b"0h\0Nh\1\x87" for _ in range(900)) + b"q\2("
    return whole(start + b"h\0h\2R" * 100_000 + b"t")


def long_names() -> bytes:
    """A list of 300,000 tensors under a name of 900 characters."""
    return weights(b"}" + text("n" * 900) + b"](" + tensor() + b"q\0" + b"h\0" * 290_000 + b"es")


def same_numbers() -> bytes:
    """A list of 20,000 tensors that are one."""
    shared = tensor(shape=counts(1024), of=storage(count=1024))
    return whole(b"](" + shared + b"q\0" + b"h\0" * 20_000 + b"e")


def long_paths() -> bytes:
    """Dicts in dicts, 5,000 deep."""
    return weights((b"}" + text("k" * 90)) * 5000 + tensor() + b"s" * 5000)


DAMAGE: dict[str, tuple[bytes, str]] = {
    **{
        f"extension registry {code[0]:#x}": (whole(code), DAMAGED) for code in (b"\x82\1", b"\x83\1\0", b"\x84\1\0\0\0")
    },
    "buffers outside": (whole(b"\x97\x98", 5), DAMAGED),
    "persistent id as text": (whole(b"Pstorage\n"), DAMAGED),
    "persistent id that is a text": (whole(text("storage") + b"Q"), DAMAGED),
    "persistent id that is an empty tuple": (whole(b")Q"), DAMAGED),
    "persistent id of a storage that is none": (weights(tensor(of=storage(kind="Size"))), DAMAGED),
    "module that is no name": (whole(b"(" + text("module") + text("os.system") + b"NNtQ"), DAMAGED),
    "text of 2^62 bytes": (whole(b"\x8d" + struct.pack("<Q", 2**62) + b"x"), DAMAGED),
    "bytes of 2^64 - 1 bytes": (whole(b"\x8e" + b"\xff" * 8 + b"x"), DAMAGED),
    "byte array of 2^62 bytes": (whole(b"\x96" + struct.pack("<Q", 2**62) + b"x", 5), DAMAGED),
    "number of 2^31 - 1 bytes": (whole(b"\x8b" + struct.pack("<l", 2**31 - 1) + b"x"), DAMAGED),
    "number of -1 bytes": (whole(b"\x8b" + struct.pack("<l", -1)), DAMAGED),
    "number of 8 million bits": (whole(b"\x8b" + struct.pack("<l", 1_000_000) + b"\x7f" * 1_000_000), DAMAGED),
    "number of ten million digits": (whole(b"L" + b"9" * 10_000_000 + b"L\n"), DAMAGED),
    "text without end": (whole(b"V" + b"x" * 1_000_000), DAMAGED),
    "frame of 2^62 bytes": (whole(b"\x95" + struct.pack("<Q", 2**62) + b"}", 4), ""),
    "memo of four billion places": (whole(b"}r\xff\xff\xff\xff"), ""),
    "memo of negative and huge places": (whole(b"}p-5\np" + b"9" * 4000 + b"\n"), ""),
    "place of the memo that is empty": (whole(b"j\xff\xff\xff\x7f"), DAMAGED),
    "half a million tuples deep": (whole(b"N" + b"\x85" * 500_000), ""),
    "half a million lists deep": (whole(b"]" * 250_000 + b"a" * 249_999), ""),
    "200,000 dicts deep": (whole(b"}" + b"N}" * 150_000 + b"s" * 150_000), ""),
    "list that holds itself": (whole(b"]q\0h\0a"), ""),
    "dict that holds itself": (weights(b"}q\0" + text("x") + b"h\0s"), ""),
    "tuple that holds itself": (whole(b"]q\0h\0\x85a"), ""),
    "dict that is its own state_dict": (whole(b"}q\0" + text("state_dict") + b"h\0s"), ""),
    "ten billion laughs": (laughs(), ""),
    "key whose hash takes forever": (whole(b"}" + b"K\1\x85" + b"2\x86" * 200 + b"Ns"), ""),
    "one list for many dicts": (shared_lists(), DAMAGED),
    "one state for many holders": (shared_states(), DAMAGED),
    "one text for many bytes": (shared_texts(), ""),
    "attributes of attributes": (nested_calls(), DAMAGED),
    "a million lists": (whole(b"(" + b"]" * 1_000_000 + b"t"), DAMAGED),
    "a million dicts of one item": (whole(b"(" + b"}K\1Ns" * 1_000_000 + b"t"), DAMAGED),
    "a million names": (whole(named("torch", "Size") * 1_000_000), DAMAGED),
    "two million marks": (whole(b"(" * 2_000_000), DAMAGED),
    "shape of half a million sizes": (whole(named("torch", "Size") + b"(" + b"K\1" * 500_000 + b"t\x85R"), DAMAGED),
    "tensor of 1,000 dimensions": (
        weights(tensor(shape=b"(" + b"K\1" * 1000 + b"t", stride=b"(" + b"K\1" * 1000 + b"t")),
        DAMAGED,
    ),
    "tensor of 40 dimensions": (weights(tensor(shape=counts(*[1] * 40), stride=counts(*[1] * 40))), INCOMPLETE),
    "tensor before its storage": (weights(tensor(offset=-4)), DAMAGED),
    "tensor behind its storage": (weights(tensor(offset=2**40)), INCOMPLETE),
    "tensor of 2^62 numbers": (weights(tensor(shape=counts(2**62))), DAMAGED),
    "tensor of a number of 900 bits": (weights(tensor(shape=counts(2**900))), DAMAGED),
    "tensor of one number a million times": (weights(tensor(shape=counts(1_000_000), stride=counts(0))), INCOMPLETE),
    "tensor that goes backwards": (weights(tensor(stride=counts(-1))), DAMAGED),
    "tensor with steps of 2^62": (weights(tensor(shape=counts(1, 4), stride=counts(2**62, 1))), DAMAGED),
    "tensor with fewer steps than sizes": (weights(tensor(shape=counts(2, 2))), INCOMPLETE),
    "empty tensor of 2^48 rows of 2^48": (
        weights(tensor(shape=counts(0, 2**48, 2**48), stride=counts(1, 1, 1))),
        INCOMPLETE,
    ),
    "storage of 2^63 numbers": (weights(tensor(of=storage(count=2**63))), DAMAGED),
    "storage larger than the file": (weights(tensor(of=storage(count=2**40))), INCOMPLETE),
    "storage outside of the archive": (weights(tensor(of=storage(key="../../../etc/passwd"))), "numbers is missing"),
    "storage with an absolute path": (weights(tensor(of=storage(key="/etc/passwd"))), "numbers is missing"),
    "storage that is the pickle itself": (weights(tensor(of=storage(key="../data.pkl"))), "numbers is missing"),
    "view behind its storage": (
        weights(tensor(of=storage(more=b"(" + text("v") + number(2**40) + number(4) + b"t"))),
        INCOMPLETE,
    ),
    "20,000 tensors of the same numbers": (same_numbers(), "far more numbers than the file"),
    "300,000 names for one tensor": (long_names(), "more than 50,000 tensors"),
    "names as deep as paths go": (long_paths(), ""),
    "no instruction": (b"", DAMAGED),
    "no end": (b"\x80\2}", DAMAGED),
    "future protocol": (whole(b"\x96" * 3, 9), DAMAGED),
}

DAMAGED_PICKLES: tuple[HostileFile, ...] = (
    *(
        HostileFile(name=name, make=partial(torch_zip, data, NUMBERS), fault=fault)
        for name, (data, fault) in DAMAGE.items()
    ),
    *(
        HostileFile(name=f"{name}, legacy", make=partial(torch_legacy, data), suffix=".pt", fault=DAMAGED)
        for name, (data, fault) in DAMAGE.items()
        if fault == DAMAGED and data.startswith(b"\x80") and len(data) < 100_000  # the others take long
    ),
    HostileFile(
        name="storages in another list than in the pickle",
        make=partial(torch_legacy, weights(tensor()), b"\x80\2]X\1\0\0\0xa."),
        fault="its list of storages does not fit",
    ),
    HostileFile(
        name="storage that is cut off, legacy",
        make=partial(torch_legacy, weights(tensor()), b"\x80\2]X\1\0\0\x000a.\4\0\0\0\0\0\0\0\0"),
        fault=INCOMPLETE,
    ),
    HostileFile(
        name="a list of a million storages, legacy",
        make=partial(torch_legacy, whole(b"}"), whole(b"](" + b"K\1" * 1_000_000 + b"e")),
        fault=DAMAGED,
    ),
    HostileFile(
        name="magic number of another program", make=lambda: b"\x80\2K\1.\x80\2K\2.", fault="not one of PyTorch"
    ),
)
