"""Models that people call by the names of their files: LoRA files, embeddings, hypernetworks, VAEs."""

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from modules.core.paths import Paths
from modules.library.natural_order import natural_key
from modules.library.walk import Listing, walk

log = logging.getLogger(__name__)

LORA_ENDINGS = (".safetensors", ".pt", ".ckpt", ".bin")
EMBEDDING_ENDINGS = (".safetensors", ".pt", ".bin", ".png", ".webp")
HYPERNETWORK_ENDINGS = (".pt",)
VAE_ENDINGS = (".safetensors", ".ckpt", ".pt")
UPSCALER_ENDINGS = (".safetensors", ".pth", ".pt")

_PREVIEW = ".preview"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One model on disk.

    Attributes:
        path: absolute path.
        name: what people call it: its file name, without the ending where that says nothing; with the folders before it
            where another one is called so already.
        relative: path relative to the folder that was searched, with forward slashes.
    """

    path: Path
    name: str
    relative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where models of one kind lie.

    Attributes:
        folder: it and all folders below it are searched.
        endings: of their files, in lower case; of two files of one name in one folder, the earlier ending wins.
    """

    folder: Path
    endings: tuple[str, ...]


class ModelFolder:
    """The models of one kind. Safe to use from several threads.

    The folders are searched when the list is first asked for, and again when something was added to one of them,
    removed or renamed. To know that takes a look at each folder, not at each file.
    """

    def __init__(self, places: Sequence[Place], *, keeps_ending: bool = False) -> None:
        """Search `places`.

        Args:
            places: where two files have the same name, the one in the earlier place keeps it.
            keeps_ending: a model's name has the ending of its file.
        """
        self._places = tuple(places)
        self._keeps_ending = keeps_ending
        self._searching = threading.Lock()
        self._found: _Found | None = None

    def all(self) -> tuple[ModelFile, ...]:
        """Return all models, sorted by their files' names without regard to case, numbers by their value.

        As long as nothing changes it is the same tuple.
        """
        return self._current().files

    def refresh(self) -> None:
        """Search the folders again, even if they look unchanged, as some network drives do."""
        with self._searching:
            self._found = self._search()

    def _current(self) -> "_Found":
        with self._searching:
            if self._found is None or self._found.is_outdated():
                self._found = self._search()
            return self._found

    def _search(self) -> "_Found":
        folders: dict[Path, int | None] = {place.folder: None for place in self._places}
        found: list[ModelFile] = []
        seen: set[tuple[Path, str]] = set()
        for place in self._places:
            inside: list[ModelFile] = []
            for listing in walk([place.folder]):
                folders[listing.folder] = listing.modified
                resolved = listing.folder.resolve()  # one place may be a folder in another, or a link to it
                new = [file for file in self._models(place, listing) if (resolved, file.path.name) not in seen]
                seen.update((resolved, file.path.name) for file in new)
                inside.extend(new)
            # A model in a folder comes before those of the same name further down.
            found.extend(sorted(inside, key=lambda file: file.relative.count("/")))
        return _Found(_with_own_names(found), folders, self._found)

    def _models(self, place: Place, listing: Listing) -> Iterator[ModelFile]:
        """Yield one file for each name in a folder."""
        kept: dict[str, tuple[int, str]] = {}
        for name in listing.files:
            rank = _rank(name, place.endings)
            if rank is not None:
                shown = name if self._keeps_ending else name[: -len(place.endings[rank])]
                kept[shown] = min(kept.get(shown, (rank, name)), (rank, name))
        for shown, (_, name) in kept.items():
            yield ModelFile(path=listing.folder / name, name=shown, relative=listing.prefix + name)


class _Found:
    """The models at one moment."""

    def __init__(self, files: tuple[ModelFile, ...], folders: dict[Path, int | None], before: "_Found | None") -> None:
        self.files = before.files if before is not None and before.files == files else files
        self._folders = folders

    def is_outdated(self) -> bool:
        return any(_modified(folder) != modified for folder, modified in self._folders.items())


def lora_folder(paths: Paths) -> ModelFolder:
    """Return the files of LoRA and its relatives."""
    return ModelFolder(_places(paths.lora, LORA_ENDINGS))


def embedding_folder(paths: Paths) -> ModelFolder:
    """Return the files that may be embeddings. A picture beside a model of the same name is its preview."""
    return ModelFolder(_places(paths.embeddings, EMBEDDING_ENDINGS))


def hypernetwork_folder(paths: Paths) -> ModelFolder:
    """Return the files of hypernetworks."""
    return ModelFolder(_places(paths.hypernetworks, HYPERNETWORK_ENDINGS))


def vae_folder(paths: Paths) -> ModelFolder:
    """Return the files of VAEs: those in their own folders, and `*.vae.*` among the checkpoints."""
    beside = _places(paths.checkpoints, tuple(".vae" + ending for ending in VAE_ENDINGS))
    return ModelFolder([*_places(paths.vae, VAE_ENDINGS), *beside], keeps_ending=True)


def upscaler_folder(paths: Paths) -> ModelFolder:
    """Return the files of upscaling networks."""
    return ModelFolder(_places(paths.upscalers, UPSCALER_ENDINGS))


def _places(folders: Sequence[Path], endings: tuple[str, ...]) -> list[Place]:
    return [Place(folder=folder, endings=endings) for folder in folders]


def _rank(name: str, endings: tuple[str, ...]) -> int | None:
    """The place of the file's ending among `endings`; None for other files, nameless ones and pictures of models."""
    lower = name.lower()
    ranks = (i for i, ending in enumerate(endings) if lower.endswith(ending) and len(lower) > len(ending))
    rank = next(ranks, None)
    return None if rank is None or lower.removesuffix(endings[rank]).endswith(_PREVIEW) else rank


def _with_own_names(found: Sequence[ModelFile]) -> tuple[ModelFile, ...]:
    """Give files of one name different names, the later ones with their folders, and sort all."""
    kept: dict[str, ModelFile] = {}
    for file in sorted(found, key=lambda file: natural_key(file.name)):
        longer = file.relative.removesuffix(file.relative.rpartition("/")[2]) + file.name
        name = next((name for name in (file.name, longer) if name not in kept), None)
        if name is None:
            log.warning("%s is left out: %s has the same name. Rename one.", file.path, kept[longer].path)
        else:
            kept[name] = file if name == file.name else replace(file, name=name)
    return tuple(kept.values())


def _modified(folder: Path) -> int | None:
    """When an entry of the folder was last added, removed or renamed, ns; None when it is missing."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None
