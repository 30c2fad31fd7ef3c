"""All model files of all folders: what they are, what is said of them, and how they are found."""

import re
from collections.abc import Iterator
from dataclasses import replace

from modules.core.cancellation import CancelToken
from modules.core.errors import UnknownName
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.library.background_hashing import BackgroundHashing
from modules.library.checkpoints import LONGEST_NAME_SHOWN, CheckpointLibrary
from modules.library.file_state import file_state
from modules.library.indexer import Indexer, forget_gone
from modules.library.kinds import FOR_PEOPLE, ModelKind
from modules.library.misplaced import home_folders, misplacement
from modules.library.model_entry import ModelEntry
from modules.library.model_folder import (
    ModelFile,
    embedding_folder,
    hypernetwork_folder,
    lora_folder,
    upscaler_folder,
    vae_folder,
)
from modules.library.model_hashes import ModelHashes, hash_safetensors
from modules.library.remembered_hash import remembered_sha256
from modules.library.section import Section, Source
from modules.library.shelf import CardPage, CardQuery, Shelf
from modules.library.sidecars import UserNotes, save_notes, save_preview
from modules.storage.hashes import HashCache
from modules.storage.model_rows import ModelRows

KINDS = (
    ModelKind.LORA,
    ModelKind.EMBEDDING,
    ModelKind.HYPERNETWORK,
    ModelKind.VAE,
    ModelKind.UPSCALER,
    ModelKind.CHECKPOINT,
)
"""The kinds that have folders of their own."""


_TAG_NAME = re.compile(r"[^<>:\r\n]+")


class ModelLibrary:
    """The model files of all kinds. Safe to use from several threads.

    The files of a kind are looked for when they are first asked for. What they say is kept in the database, so that
    each is read only once. Files that are added, removed or renamed are noticed by themselves; those that change in
    place, and what lies beside them, by `refresh`.

    Attributes:
        checkpoints: the list of checkpoints.
    """

    def __init__(self, paths: Paths, checkpoints: CheckpointLibrary, hashes: HashCache) -> None:
        """Look into the folders of `paths`.

        Args:
            paths: where models and the database are.
            checkpoints: the list of checkpoints.
            hashes: the sha256 of files.
        """
        self.checkpoints = checkpoints
        self._hashes = hashes
        self._rows = ModelRows(paths.database)
        self._homes = home_folders(paths)
        folders = {
            ModelKind.LORA: lora_folder(paths),
            ModelKind.EMBEDDING: embedding_folder(paths),
            ModelKind.HYPERNETWORK: hypernetwork_folder(paths),
            ModelKind.VAE: vae_folder(paths),
            ModelKind.UPSCALER: upscaler_folder(paths),
        }
        sources = {kind: Source(files=folder.all, refresh=folder.refresh) for kind, folder in folders.items()}
        sources[ModelKind.CHECKPOINT] = Source(files=_CheckpointFiles(checkpoints).all, refresh=checkpoints.refresh)
        self._sections = {kind: Section(kind, sources[kind], Indexer(self._rows, hashes)) for kind in KINDS}
        self._closing = CancelToken()
        self._background = BackgroundHashing(self._unhashed, self.hashes, self._closing)

    def all(self, kind: ModelKind) -> tuple[ModelEntry, ...]:
        """Return the models in the folders of `kind`, sorted by name without regard to case, numbers by their value."""
        return self._shelf(kind).entries

    def find(self, kind: ModelKind, name: str) -> ModelEntry:
        """Return the model called `name` in the folders of `kind`.

        Args:
            kind: of the folders.
            name: of its file with or without ending, also with folders before it ("sub/name"), or what its trainer
                called it; the same letters in another case if there is none in this one. A checkpoint also has the
                names of `CheckpointLibrary.find`.

        Raises:
            UnknownName: there is none, or several that call themselves so; the message has names that are near.
        """
        shelf = self._shelf(kind)
        if kind is ModelKind.CHECKPOINT:
            path = self.checkpoints.find(name).path
            found = next((entry for entry in shelf.entries if entry.path == path), None)
        else:
            found = shelf.names.find(name)
        if found is None:
            raise UnknownName(_about_unknown(shelf, kind, name))
        return found

    def name_in_prompts(self, entry: ModelEntry, settings: Settings) -> str:
        """Return what `entry` is called in prompts that its card writes.

        That is what its trainer called it, if the settings wish it (A1111's default) and no other file has that name;
        else the name of its file.
        """
        alias = entry.own_name
        if not _TAG_NAME.fullmatch(alias):  # it comes from a file of anybody's, and would be more than a name there
            return entry.name
        if entry.place is not ModelKind.LORA or settings.lora_preferred_name == "Filename":
            return entry.name
        return alias if self._shelf(entry.place).names.find(alias) is entry else entry.name

    def page(self, query: CardQuery) -> CardPage:
        """Return the cards that `query` asks for."""
        return self._shelf(query.kind).page(query, self._known_sha256)

    def folders(self, kind: ModelKind) -> tuple[str, ...]:
        """Return all folders below those of `kind` that hold models, relative to them."""
        return self._shelf(kind).folders

    def refresh(self, kind: ModelKind | None = None) -> None:
        """Look at all files again, or at those of one kind: which there are, what they and those beside them say."""
        for each in KINDS if kind is None else (kind,):
            self._sections[each].refresh(self._closing)
        if kind is None:
            forget_gone(self._rows, {str(entry.path) for each in KINDS for entry in self.all(each)})
        self._background.wake()

    def progress(self, kind: ModelKind) -> tuple[int, int] | None:
        """Return how many of how many files have been looked at, None while nobody looks at any."""
        return self._sections[kind].progress

    def misplacement(self, entry: ModelEntry) -> str | None:
        """Return what a file in a wrong folder is and where it belongs, as a sentence; None if it lies right."""
        return misplacement(entry, self._homes)

    def misplaced(self, *kinds: ModelKind) -> Iterator[tuple[ModelEntry, str]]:
        """Yield the files that lie wrong in the folders of `kinds` (of all kinds without any), with that sentence."""
        for kind in kinds or KINDS:
            for entry in self.all(kind):
                sentence = self.misplacement(entry)
                if sentence:
                    yield entry, sentence

    def save_notes(self, entry: ModelEntry, notes: UserNotes) -> None:
        """Write `notes` beside the file of `entry`, where A1111 has them too.

        Raises:
            OutputError: they cannot be written.
        """
        save_notes(entry.path.parent, entry.path.name if entry.path.is_dir() else entry.path.stem, notes)
        self._sections[entry.place].refresh(self._closing)

    def save_preview(self, entry: ModelEntry, png: bytes) -> None:
        """Let a picture show what the model of `entry` does: it is written beside its file, where A1111 has it too.

        Raises:
            OutputError: it cannot be written.
        """
        stem = entry.path.name if entry.path.is_dir() else entry.path.stem
        save_preview(entry.path.parent, stem, png, entry.path.name)
        self._sections[entry.place].refresh(self._closing)

    def known_hashes(self, entry: ModelEntry) -> ModelHashes:
        """Return the hashes of a file as far as they are known; no file is read for them."""
        row = self._rows.get(str(entry.path)) if _is_safetensors_lora(entry) else None
        computed = row.tensors_sha256 if row is not None else ""
        return ModelHashes(sha256=self._known_sha256(entry), tensors=entry.facts.claimed_hash or computed)

    def hashes(self, entry: ModelEntry, token: CancelToken | None = None) -> ModelHashes:
        """Return the hashes of a file, which is read if they are not known.

        Raises:
            ModelFileError: the file is missing or cannot be read.
            Interrupted: `token` was interrupted meanwhile.
        """
        known = self.known_hashes(entry)
        if _is_safetensors_lora(entry):
            return known if known.sha256 and known.tensors else self._hash_lora(entry, token)
        if entry.place is ModelKind.CHECKPOINT:
            hashed = self.checkpoints.hashed(self.checkpoints.find(str(entry.path)), token)
            return ModelHashes(sha256=hashed.sha256 or "")
        return ModelHashes(sha256=remembered_sha256(entry.path, self._hashes, token))

    def network_hash(self, entry: ModelEntry, token: CancelToken | None = None) -> str:
        """Return what stands for a LoRA in "Lora hashes", 12 digits; most trainers write it into the file.

        Raises:
            ModelFileError: as for `hashes`.
            Interrupted: as for `hashes`.
        """
        known = self.known_hashes(entry)
        return known.network if known.tensors else self.hashes(entry, token).network

    def start(self) -> None:
        """Read all files and compute their hashes in the background, until `close`."""
        self._background.start()

    def close(self) -> None:
        """Stop what is done in the background; what was done until then is kept."""
        self._closing.interrupt()
        self._background.close()
        self._rows.close()

    def _shelf(self, kind: ModelKind) -> Shelf:
        return self._sections[kind].current(self._closing)

    def _known_sha256(self, entry: ModelEntry) -> str:
        if entry.place is not ModelKind.CHECKPOINT:
            return self._hashes.get_unread(entry.path, entry.size, entry.modified) or ""
        try:
            return self.checkpoints.find(str(entry.path)).sha256 or ""
        except UnknownName:  # gone since it was listed
            return ""

    def _hash_lora(self, entry: ModelEntry, token: CancelToken | None) -> ModelHashes:
        before = file_state(entry.path)
        computed = hash_safetensors(entry.path, token)
        if before == file_state(entry.path):  # else it is still being copied, and its hash means nothing later
            self._hashes.put(entry.path, computed.sha256)
            row = self._rows.get(str(entry.path))
            if row is not None and before == (row.size, row.mtime_ns):
                self._rows.put({str(entry.path): row._replace(tensors_sha256=computed.tensors)})
        return replace(computed, tensors=entry.facts.claimed_hash or computed.tensors)

    def _unhashed(self) -> Iterator[ModelEntry]:
        """Yield the files whose hashes are not known, small ones first, so that most are known soon."""
        entries = (entry for kind in KINDS for entry in self.all(kind))
        for entry in sorted(entries, key=lambda entry: entry.size):
            known = self.known_hashes(entry)
            if not known.sha256 or (_is_safetensors_lora(entry) and not known.tensors):
                yield entry


def open_library(paths: Paths) -> ModelLibrary:
    """Return the library of the folders of `paths`."""
    hashes = HashCache(paths.database)
    return ModelLibrary(paths, CheckpointLibrary(paths, hashes), hashes)


class _CheckpointFiles:
    """The checkpoints as files; the same tuple as long as they are the same."""

    def __init__(self, checkpoints: CheckpointLibrary) -> None:
        self._checkpoints = checkpoints
        self._files: tuple[ModelFile, ...] = ()

    def all(self) -> tuple[ModelFile, ...]:
        files = tuple(ModelFile(path=each.path, name=each.name, relative=each.name) for each in self._checkpoints.all())
        if files != self._files:
            self._files = files
        return self._files


def _is_safetensors_lora(entry: ModelEntry) -> bool:
    return entry.place is ModelKind.LORA and entry.path.suffix.lower() == ".safetensors"


def _about_unknown(shelf: Shelf, kind: ModelKind, name: str) -> str:
    shown = name[:LONGEST_NAME_SHOWN]
    what = FOR_PEOPLE[kind].partition(" ")[2]
    rivals = shelf.names.rivals(name)
    if rivals:
        return f"“{shown}” is what several files call themselves: {', '.join(rivals[:5])}. Use the name of a file."
    near = shelf.names.near(shown)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Refresh the list if it was added just now."
    return f"There is no {what} called “{shown}”. {hint}"
