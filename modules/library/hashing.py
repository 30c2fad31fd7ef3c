"""Hashes of model files, as A1111 and civitai name models by them."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError

BLOCK = 4 * 2**20  # bytes; large enough that Python's share of the time does not show
WEIGHT_SUFFIXES = (".safetensors", ".bin")

_LEGACY_START, _LEGACY_LENGTH, _LEGACY_DIGITS = 0x100000, 0x10000, 8


def sha256_of_file(path: Path, token: CancelToken | None = None) -> str:
    """Return the sha256 of the whole file as 64 hex digits.

    Raises:
        ModelFileError: the file is missing or cannot be read.
        Interrupted: `token` was interrupted meanwhile.
    """
    digest = hashlib.sha256()
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                if token is not None:
                    token.check_interrupted()
                digest.update(view[:count])
    except OSError as error:
        raise ModelFileError(f"Cannot read {path}: {error.strerror}. Refresh the list of checkpoints.") from error
    return digest.hexdigest()


def legacy_hash(path: Path) -> str | None:
    """Return the 8 digits by which A1111 named models until 2022: sha256 of 64 KiB from 1 MiB on.

    None when the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(_LEGACY_START)
            return hashlib.sha256(file.read(_LEGACY_LENGTH)).hexdigest()[:_LEGACY_DIGITS]
    except OSError:
        return None


def weight_files(folder: Path) -> list[str]:
    """Return the weight files of a diffusers folder: paths relative to it with forward slashes, sorted, none hidden."""
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(place).relative_to(folder)
        weights = (name for name in names if name.lower().endswith(WEIGHT_SUFFIXES) and not name.startswith("."))
        found.extend((relative / name).as_posix() for name in weights)
    return sorted(found)


def folder_sha256(files: Mapping[str, str]) -> str:
    """Return the hash that stands for a diffusers folder.

    It is the sha256 of what `sha256sum` prints for the folder's `weight_files` in their order: a line of the file's
    sha256, two blanks and its path for each.

    Args:
        files: sha256 of each weight file by its path relative to the folder.
    """
    lines = (f"{files[name]}  {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
