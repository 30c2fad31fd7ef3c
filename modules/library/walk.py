"""Looking through model folders."""

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_FolderKey = tuple[int, int] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one folder holds.

    Attributes:
        folder: its absolute path.
        prefix: its path relative to the folder that is searched, with a slash at its end; "" for that folder itself.
        modified: when an entry was last added, removed or renamed, ns; as it was before the entries were read.
        files: names of its files.
        folders: names of its subfolders, which are looked into next, unless the caller takes them out.
    """

    folder: Path
    prefix: str
    modified: int
    files: tuple[str, ...]
    folders: list[str]


def walk(roots: Iterable[Path]) -> Iterator[Listing]:
    """Yield `roots` and all folders below, each with what it holds sorted by name.

    Hidden entries are left out. Links to folders are followed; a folder that is reached twice counts once. What cannot
    be read is skipped with a warning, and a root that does not exist without one.
    """
    seen: set[_FolderKey] = set()
    for root in roots:
        yield from _walk(root, "", seen)


def _walk(folder: Path, prefix: str, seen: set[_FolderKey]) -> Iterator[Listing]:
    try:
        stat = folder.stat()
        # Some network drives give no numbers.
        key = (stat.st_dev, stat.st_ino) if stat.st_ino else str(folder.resolve())
        if key in seen:
            return
        seen.add(key)
        with os.scandir(folder) as entries:
            eligible = sorted((entry for entry in entries if _is_eligible(entry)), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("The folder %s is skipped: %s.", folder, error.strerror)
        return
    listing = Listing(
        folder=folder,
        prefix=prefix,
        modified=stat.st_mtime_ns,
        files=tuple(entry.name for entry in eligible if _is_file(entry)),
        folders=[entry.name for entry in eligible if _is_folder(entry)],
    )
    yield listing
    for name in listing.folders:
        yield from _walk(folder / name, f"{prefix}{name}/", seen)


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
