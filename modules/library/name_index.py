"""Find a model by what people and infotexts call it: title, file name, stem, hash, or a part of the title."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

# Shorter ones would take words for hashes ("decade", "facade"). A1111's short hash has 10 digits, its oldest kind 8.
_HASH = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What one model is called.

    Attributes:
        title: as in the drop-down.
        unique: names that no two models share.
        aliases: names that several models may share; the first model keeps them.
        sha256: 64 hex digits, None while unknown.
    """

    title: str
    unique: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    sha256: str | None = None


class NameIndex(Generic[Item]):
    """Looks models up by name, the surest way first. Immutable."""

    def __init__(self, entries: Iterable[tuple[Item, Names]]) -> None:
        """Index `entries`; where names collide, the earlier entry wins."""
        pairs = list(entries)
        self._exact: dict[str, Item] = {}
        for item, names in pairs:
            for name in (names.title, *names.unique):
                self._exact.setdefault(name, item)
        for item, names in pairs:
            for name in names.aliases:
                self._exact.setdefault(name, item)
        self._folded: dict[str, Item] = {}
        for name, item in self._exact.items():
            self._folded.setdefault(name.casefold(), item)
        self._hashes = [(names.sha256, item) for item, names in pairs if names.sha256]
        # Shortest first: a part of a name means the plainest model that has it, as in A1111.
        self._titles = sorted(((names.title, item) for item, names in pairs), key=lambda pair: len(pair[0]))

    def find(self, wanted: str) -> Item | None:
        """Return the model that `wanted` means, None when there is none.

        Tried in this order: the exact name; the hash in square brackets at its end (the file may have been renamed);
        the name without the brackets; both names in any case; `wanted` as the beginning of a hash; a part of a title,
        in the same case and in any case.
        """
        wanted = wanted.strip()
        name, bracket = split_brackets(wanted)
        if not name and not bracket:
            return None
        found = self._exact.get(wanted) or self._with_hash(bracket) or self._exact.get(name)
        found = found or self._folded.get(wanted.casefold()) or self._folded.get(name.casefold())
        found = found or self._with_hash(wanted)
        return found or self._containing(wanted) or self._containing(name)

    def near(self, wanted: str) -> list[str]:
        """Return up to three titles whose file names look like `wanted`."""
        titles = {_file_name(title): title for title, _ in self._titles}
        return [titles[name] for name in difflib.get_close_matches(_file_name(wanted), titles, n=3, cutoff=0.6)]

    def _with_hash(self, start: str) -> Item | None:
        start = start.casefold()
        if not _HASH.fullmatch(start):
            return None
        return next((item for sha256, item in self._hashes if sha256.startswith(start)), None)

    def _containing(self, part: str) -> Item | None:
        if not part:
            return None
        folded = part.casefold()
        same_case = (item for title, item in self._titles if part in title)
        any_case = (item for title, item in self._titles if folded in title.casefold())
        return next(same_case, None) or next(any_case, None)


def _file_name(title: str) -> str:
    """The title without folders, ending, hash and case."""
    name = split_brackets(title)[0].rpartition("/")[2].casefold()
    return name.rpartition(".")[0] or name


def split_brackets(title: str) -> tuple[str, str]:
    """Divide "name [hash]" into "name" and "hash"; without brackets at the end the second part is empty."""
    start = title.rfind("[")
    if start < 0 or not title.endswith("]"):
        return title, ""
    return title[:start].rstrip(), title[start + 1 : -1]
