"""The models of one kind at one moment, to be found, searched and sorted."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from modules.library.kinds import ModelKind
from modules.library.model_entry import ModelEntry
from modules.library.name_lookup import NameLookup
from modules.library.natural_order import natural_key
from modules.library.search_text import fold

Sort = Literal["path", "name", "created", "modified"]

_HASH_START = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardQuery:
    """Which cards of which models are asked for.

    Attributes:
        kind: of the folders they lie in.
        search: words that must all occur in what is known of a model, in any case and order and as parts of words; or
            the beginning of its hash (6 digits at least).
        sort: what they are ordered by; "path" is by folder, and in it by name.
        descending: from the last to the first.
        folder: only those in this folder and below it, relative to the folder that was searched; "" for all.
        start: number of the first one, from 0.
        count: how many at most.
    """

    kind: ModelKind
    search: str = ""
    sort: Sort = "name"
    descending: bool = False
    folder: str = ""
    start: int = 0
    count: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPage:
    """A part of the answer to a `CardQuery`.

    Attributes:
        total: how many there are in all.
        entries: those from `CardQuery.start` on.
    """

    total: int
    entries: tuple[ModelEntry, ...]


class Shelf:
    """The models of one kind. Nothing in it changes."""

    def __init__(self, entries: tuple[ModelEntry, ...]) -> None:
        """Hold `entries`, which are sorted by name."""
        self.entries = entries
        self._orders: dict[Sort, Sequence[ModelEntry]] = {}

    @cached_property
    def names(self) -> NameLookup[ModelEntry]:
        """Its models by what they are called."""
        return NameLookup((entry, _names_of_file(entry.name, entry.relative), entry.own_name) for entry in self.entries)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """All folders that hold models, and those above them, relative to the folder that was searched."""
        found: set[str] = set()
        for folder in {entry.folder for entry in self.entries}:
            parts = folder.split("/") if folder else []
            found.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        return tuple(sorted(found, key=natural_key))

    def page(self, query: CardQuery, hash_of: Callable[[ModelEntry], str]) -> CardPage:
        """Answer `query`; `hash_of` gives a model's sha256, "" while it is unknown."""
        words = fold(query.search).split()
        below = f"{query.folder}/"
        found = [
            entry
            for entry in self._ordered(query.sort)
            if (not query.folder or entry.relative.startswith(below)) and _has_all(entry, words, hash_of)
        ]
        if query.descending:
            found.reverse()
        start = max(query.start, 0)
        return CardPage(total=len(found), entries=tuple(found[start : start + max(query.count, 0)]))

    def _ordered(self, sort: Sort) -> Sequence[ModelEntry]:
        if sort not in self._orders:
            self._orders[sort] = _sorted(self.entries, sort)
        return self._orders[sort]


def _sorted(entries: Sequence[ModelEntry], sort: Sort) -> Sequence[ModelEntry]:
    match sort:
        case "name":
            return entries
        case "path":
            keys = {folder: natural_key(folder) for folder in {entry.folder for entry in entries}}
            return sorted(entries, key=lambda entry: keys[entry.folder])
        case "created":
            return sorted(entries, key=lambda entry: entry.created)
        case "modified":
            return sorted(entries, key=lambda entry: entry.modified)


def _has_all(entry: ModelEntry, words: Sequence[str], hash_of: Callable[[ModelEntry], str]) -> bool:
    return all(
        word in entry.search_text or (_HASH_START.fullmatch(word) and hash_of(entry).startswith(word)) for word in words
    )


def _names_of_file(name: str, relative: str) -> tuple[str, ...]:
    """Return all that a model is called: `name`, and its file's name with and without folders and ending."""
    folders, slash, file_name = relative.rpartition("/")
    stem = file_name.rpartition(".")[0] or file_name
    return name, folders + slash + stem, relative, stem, file_name
