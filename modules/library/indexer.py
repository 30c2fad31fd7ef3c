"""Reads model files and what lies beside them, each of them only once as long as it stays the same."""

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from modules.core.cancellation import CancelToken
from modules.library.kinds import ModelKind
from modules.library.model_entry import ModelEntry
from modules.library.model_facts import facts_as_json, facts_of_json, read_facts
from modules.library.model_folder import ModelFile
from modules.library.search_text import fold, search_text
from modules.library.sidecars import Sidecars, find_preview, read_sidecars, sidecar_names, sidecars_as_json
from modules.storage.hashes import HashCache
from modules.storage.model_row import ModelRow
from modules.storage.model_rows import ModelRows

FACTS_VERSION = 1
"""To be raised whenever more is read of files, or something is understood better: then all are read again."""

BATCH = 500  # files that are written to the database at once
SAME_TIME = 2 * 10**9  # ns: file systems of memory sticks know no finer times

_FOLDER_INDEX = "model_index.json"


class Indexer:
    """Knows what was read before. To be used by one thread at a time."""

    def __init__(self, rows: ModelRows, hashes: HashCache) -> None:
        """Remember in `rows`; `hashes` of files that have moved are kept."""
        self._rows = rows
        self._hashes = hashes
        self._entries: dict[str, tuple[ModelRow, ModelEntry]] = {}

    def index(
        self, place: ModelKind, files: Sequence[ModelFile], token: CancelToken, on_progress: Callable[[int], None]
    ) -> tuple[ModelEntry, ...]:
        """Return an entry for each of `files` that is there; those that are new or have changed are read.

        Args:
            place: the kind of models that their folders are for.
            files: in the order in which they are returned.
            token: asks to stop; what was read until then is remembered.
            on_progress: is told how many files are done.

        Raises:
            Interrupted: `token` was interrupted meanwhile.
        """
        known = self._rows.all()
        folders, gone = _Folders(), _GoneFiles(known, {str(file.path) for file in files})
        entries: dict[str, tuple[ModelRow, ModelEntry]] = {}
        fresh: dict[str, ModelRow] = {}
        try:
            for number, file in enumerate(files, start=1):
                token.check_interrupted()
                on_progress(number)
                seen = _look_at(file, folders)
                if seen is None:
                    continue
                before = known.get(seen.path)
                row = self._row(file, seen, before, gone)
                if row is not before:
                    fresh[seen.path] = row
                entries[seen.path] = row, self._entry(place, file, seen, row)
                if len(fresh) >= BATCH:
                    self._rows.put(fresh)
                    fresh = {}
        finally:
            self._rows.put(fresh)
        self._entries = entries
        return tuple(entry for _, entry in entries.values())

    def _row(self, file: ModelFile, seen: "_Seen", before: ModelRow | None, gone: "_GoneFiles") -> ModelRow:
        """Return what is known of a file: the very row of `before` if that still holds."""
        holds = before is not None and (before.size, before.mtime_ns, before.facts_version) == (
            seen.size,
            seen.mtime_ns,
            FACTS_VERSION,
        )
        row = before if before is not None and holds else self._read(file, seen, gone)
        if row.beside_state == seen.beside_state and row.search_text:
            return row
        sidecars = read_sidecars(Path(seen.folder), seen.stem) if seen.beside_state else Sidecars()
        return row._replace(
            beside_state=seen.beside_state,
            beside=sidecars_as_json(sidecars),
            search_text=search_text(facts_of_json(row.facts), sidecars),
        )

    def _read(self, file: ModelFile, seen: "_Seen", gone: "_GoneFiles") -> ModelRow:
        read = read_facts(file.path)
        row = ModelRow(
            size=seen.size,
            mtime_ns=seen.mtime_ns,
            inode=seen.inode,
            head=read.head,
            facts_version=FACTS_VERSION,
            facts=facts_as_json(read.facts),
            beside_state="",
            beside="",
            alias=read.facts.alias,
            search_text="",
        )
        moved_from = gone.find(row, file.path.name)
        if moved_from is None:
            return row
        path, old = moved_from
        sha256 = self._hashes.get_unread(Path(path), old.size, old.mtime_ns)
        if sha256:
            self._hashes.put(file.path, sha256)
        return row._replace(tensors_sha256=old.tensors_sha256)

    def _entry(self, place: ModelKind, file: ModelFile, seen: "_Seen", row: ModelRow) -> ModelEntry:
        """Return the entry that a row stands for: the very one of before, if that still holds."""
        before, known = self._entries.get(seen.path, (None, None))
        if known is not None and before is row and (known.name, known.preview) == (file.name, seen.preview):
            return known
        return ModelEntry(
            path=file.path,
            name=file.name,
            relative=file.relative,
            place=place,
            size=row.size,
            modified=row.mtime_ns,
            created=seen.created,
            preview=seen.preview,
            own_name=row.alias,
            search_text=f"{fold(file.relative)}\n{row.search_text}",
            facts_json=row.facts,
            sidecars_json=row.beside,
        )


def forget_gone(rows: ModelRows, present: set[str]) -> None:
    """Take files out of `rows` that are not `present` (absolute paths) and gone from the disk.

    Those of folders that are gone themselves stay: a drive may come back.
    """
    absent = [path for path in rows.all() if path not in present]
    rows.forget([path for path in absent if not os.path.lexists(path) and os.path.isdir(os.path.dirname(path))])  # noqa: PTH112, PTH120  # pathlib raises where nobody may look


class _Seen(NamedTuple):
    """What can be seen of a model without reading anything."""

    path: str
    folder: str
    stem: str
    size: int
    mtime_ns: int
    inode: int
    created: int
    beside_state: str
    preview: Path | None


# Paths are text here: `pathlib` would take a third of the time that ten thousand files take.


def _look_at(file: ModelFile, folders: "_Folders") -> _Seen | None:
    """Look at a file, or at the `model_index.json` of a diffusers folder; None if it is gone."""
    path = str(file.path)
    found = _stat(path)
    is_folder = found is not None and stat.S_ISDIR(found.st_mode)
    if is_folder:
        found = _stat(f"{path}{os.sep}{_FOLDER_INDEX}")
    if found is None:
        return None
    folder, _, name = path.rpartition(os.sep)
    stem = name if is_folder else name.rpartition(".")[0] or name
    names = folders.names(folder)
    picture = find_preview(stem, names, name)
    # Windows and macOS know when a file was made, Linux when its entry changed, which is what A1111 shows there.
    created: float = getattr(found, "st_birthtime", found.st_ctime)
    return _Seen(
        path=path,
        folder=folder,
        stem=stem,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        inode=found.st_ino & (2**63 - 1),  # SQLite's integers are signed
        created=int(created * 1e9),
        beside_state=_state_of_sidecars(folder, stem, names),
        preview=file.path.with_name(picture) if picture else None,
    )


class _Folders:
    """What lies in folders, as it was when each was first looked into."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def names(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))  # noqa: PTH208  # see above
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]


def _state_of_sidecars(folder: str, stem: str, names: frozenset[str]) -> str:
    """Return a text that is different when one of the files beside a model is; "" if there are none."""
    there = [name for name in sidecar_names(stem) if name in names]
    states = ((name, _stat(f"{folder}{os.sep}{name}")) for name in there)
    return ";".join(f"{name.removeprefix(stem)} {found.st_size} {found.st_mtime_ns}" for name, found in states if found)


class _GoneFiles:
    """Files that are remembered and gone, among them those that have moved."""

    def __init__(self, known: Mapping[str, ModelRow], present: set[str]) -> None:
        self._known = known
        self._present = present
        self._by_size: dict[int, list[tuple[str, ModelRow]]] | None = None

    def find(self, row: ModelRow, name: str) -> tuple[str, ModelRow] | None:
        """Return the path and the row that the file of the new `row` called `name` had before it moved.

        It must have the same size and time of change, and the same inode, or else the same name and the same beginning.
        """
        return next(
            (pair for pair in self._of_size(row.size) if _is_same(pair[1], row, Path(pair[0]).name, name)), None
        )

    def _of_size(self, size: int) -> list[tuple[str, ModelRow]]:
        if self._by_size is None:
            self._by_size = defaultdict(list)
            for path, row in self._known.items():
                if path not in self._present and not os.path.lexists(path):
                    self._by_size[row.size].append((path, row))
        return self._by_size.get(size, [])


def _is_same(old: ModelRow, new: ModelRow, old_name: str, new_name: str) -> bool:
    if old.mtime_ns == new.mtime_ns and old.inode == new.inode != 0:
        return True
    same_time = abs(old.mtime_ns - new.mtime_ns) <= SAME_TIME
    return same_time and old_name == new_name and old.head == new.head != ""


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  # see above
    except OSError:
        return None
