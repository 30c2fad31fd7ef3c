"""Sound files with random damage: a fast stand-in for `tools/fuzz`, the same for everybody."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.fuzz.containers import torch_legacy, torch_zip, with_numbers
from tools.fuzz.readers import READERS, refusal
from tools.fuzz.seeds import pickles, safetensors_files, tables, torch_files

FILES_OF_A_KIND = 400


def damaged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Cut off, flip, overwrite, repeat, take out, or put in what another file has."""
    start, length = chance.randrange(len(data)), chance.randrange(1, 40)
    match chance.randrange(6):
        case 0:
            return data[:start]
        case 1:
            return data[:start] + bytes([data[start] ^ 1 << chance.randrange(8)]) + data[start + 1 :]
        case 2:
            return data[:start] + chance.choice([b"\0", b"\xff", b"\x7f"]) * (length % 9) + data[start + length % 9 :]
        case 3:
            return data[:start] + data[start : start + length] * chance.randrange(2, 50) + data[start + length :]
        case 4:
            return data[:start] + data[start + length :]
        case _:
            place = chance.randrange(len(other))
            return data[:start] + other[place : place + length] + data[start:]


def in_zip(pickle: bytes) -> bytes:
    return torch_zip(pickle, bytes(256))


def in_legacy(pickle: bytes) -> bytes:
    return torch_legacy(pickle)


Kind = tuple[str, Callable[[], list[bytes]], Callable[[bytes], bytes]]

KINDS: dict[str, Kind] = {
    "files": (".pt", torch_files, bytes),
    "pickles in zip": (".pt", pickles, in_zip),
    "pickles in the legacy format": (".pt", pickles, in_legacy),
    "safetensors": (".safetensors", safetensors_files, bytes),
    "tables": (".safetensors", tables, with_numbers),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_damage(tmp_path: Path, kind: Kind) -> None:
    suffix, seeds, wrap = kind
    chance, sound, path = random.Random(suffix), seeds(), tmp_path / f"x{suffix}"
    for _ in range(FILES_OF_A_KIND):
        data = chance.choice(sound)
        for _ in range(chance.randrange(1, 4)):
            data = damaged(data, chance.choice(sound), chance) or b"\0"
        path.write_bytes(wrap(data))
        for name, read in READERS.items():
            if name != "picture":
                refused = refusal(read, path)
                assert refused is None or (path.name in str(refused) and str(refused).isprintable()), (name, data)


def test_the_sound_files_are_read_by_those_they_are_for(tmp_path: Path) -> None:
    read_by = dict.fromkeys(READERS, 0)
    for suffix, files in ((".pt", torch_files()), (".safetensors", safetensors_files())):
        for number, data in enumerate(files):
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(data)
            for name, read in READERS.items():
                read_by[name] += refusal(read, path) is None
    everything = len(torch_files()) + len(safetensors_files())
    assert read_by == {
        "weights": everything,
        "embedding": 8,
        "picture": everything,
        "hypernetwork": 2,
        "adapter": 11,
        "library": everything,
    }
