"""Look for checkpoints in folders: single files and diffusers folders."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from modules.library.walk import walk

SUFFIXES = (".safetensors", ".ckpt")
VAE_SUFFIXES = (".vae.safetensors", ".vae.ckpt")
DIFFUSERS_MARK = "model_index.json"


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
    """Yield the checkpoints in the folders that `walk` finds, in no particular order.

    VAEs (`*.vae.safetensors`) are left out. A folder with a `model_index.json` is one checkpoint, and not looked into.
    """
    for listing in walk(roots):
        if DIFFUSERS_MARK in listing.files:
            listing.folders.clear()
            yield FoundCheckpoint(listing.folder, listing.prefix.rstrip("/") or listing.folder.name, None)
            continue
        names = frozenset(listing.files)
        for name in filter(is_checkpoint_name, listing.files):
            config = f"{Path(name).stem}.yaml"
            beside = listing.folder / config if config in names else None
            yield FoundCheckpoint(listing.folder / name, listing.prefix + name, beside)


def is_checkpoint_name(name: str) -> bool:
    """Whether a file of this name is offered as a checkpoint."""
    lower = name.lower()
    return lower.endswith(SUFFIXES) and not lower.endswith(VAE_SUFFIXES)
