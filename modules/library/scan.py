"""Look for checkpoints in folders: single files and diffusers folders."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

SUFFIXES = (".safetensors", ".ckpt")
VAE_SUFFIXES = (".vae.safetensors", ".vae.ckpt")
DIFFUSERS_MARK = "model_index.json"

FolderKey = tuple[int, int]


class FoundCheckpoint(NamedTuple):
    """A checkpoint in a folder.

    Attributes:
        path: absolute path of the file or diffusers folder.
        name: path relative to the folder that was searched, with forward slashes.
        config: the LDM yaml of the same name beside it.
    """

    path: Path
    name: str
    config: Path | None


def scan_checkpoints(roots: Iterable[Path]) -> Iterator[FoundCheckpoint]:
    """Yield the checkpoints in `roots` and below, in no particular order.

    Hidden entries and VAEs (`*.vae.safetensors`) are left out. Links to folders are followed; a folder that is reached
    twice counts once. A folder with a `model_index.json` is one checkpoint and is not looked into. What cannot be read
    is skipped with a warning, and a root that does not exist without one.
    """
    seen: set[FolderKey] = set()
    for root in roots:
        yield from _scan(root, "", seen)


def _scan(folder: Path, prefix: str, seen: set[FolderKey]) -> Iterator[FoundCheckpoint]:
    try:
        stat = folder.stat()
        if (stat.st_dev, stat.st_ino) in seen:
            return
        seen.add((stat.st_dev, stat.st_ino))
        with os.scandir(folder) as listing:
            entries = {entry.name: entry for entry in listing if _is_eligible(entry)}
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("The folder %s is skipped: %s.", folder, error.strerror)
        return
    if DIFFUSERS_MARK in entries:
        yield FoundCheckpoint(folder, prefix.rstrip("/") or folder.name, None)
        return
    for name, entry in entries.items():
        if _is_folder(entry):
            yield from _scan(folder / name, f"{prefix}{name}/", seen)
        elif is_checkpoint_name(name) and _is_file(entry):
            config = f"{Path(name).stem}.yaml"
            yield FoundCheckpoint(folder / name, prefix + name, folder / config if config in entries else None)


def is_checkpoint_name(name: str) -> bool:
    """Whether a file of this name is offered as a checkpoint."""
    lower = name.lower()
    return lower.endswith(SUFFIXES) and not lower.endswith(VAE_SUFFIXES)


def _is_eligible(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return False
    try:
        entry.name.encode()
    except UnicodeEncodeError:  # not UTF-8 on the disk: such a name cannot be shown or stored
        log.warning("%r is skipped: its name is not valid Unicode. Rename it.", entry.path)
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
