"""Find a model by the name in a prompt's tag or in a setting."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NameLookup(Generic[Item]):
    """Items by what they are called. Immutable.

    Names of files come before the names that files give themselves, as in A1111; the same letters in another case come
    after both. Of several items with one name the first one keeps it. A name that several files give themselves means
    none of them.
    """

    def __init__(self, entries: Iterable[tuple[Item, Sequence[str], str]]) -> None:
        """Index `entries`: an item, its names with the one for people first, and what it calls itself or ""."""
        self._names: dict[str, Item] = {}
        self._aliases: dict[str, list[tuple[Item, str]]] = {}
        self._shown: dict[str, str] = {}
        known = list(entries)
        for item, names, alias in known:
            self._names.setdefault(names[0], item)
            self._shown.setdefault(names[0].casefold(), names[0])
            if alias:
                self._aliases.setdefault(alias, []).append((item, names[0]))
        for item, names, _ in known:
            for name in names[1:]:
                self._names.setdefault(name, item)
        self._folded: dict[str, Item] = {}
        for name, item in self._names.items():
            self._folded.setdefault(name.casefold(), item)
        for alias, items in self._aliases.items():
            if len(items) == 1:
                self._folded.setdefault(alias.casefold(), items[0][0])

    def find(self, name: str) -> Item | None:
        """Return the item called `name`, None if there is none or nobody could say which."""
        if name in self._names:
            return self._names[name]
        own = self._aliases.get(name, [])
        if len(own) == 1:
            return own[0][0]
        return None if own else self._folded.get(name.casefold())

    def rivals(self, name: str) -> list[str]:
        """Return the names of all items if there are several that call themselves `name`, else nothing."""
        own = [] if name in self._names else self._aliases.get(name, [])
        return [shown for _, shown in own] if len(own) > 1 else []

    def near(self, name: str) -> list[str]:
        """Return up to three names that look like `name`."""
        return [self._shown[near] for near in difflib.get_close_matches(name.casefold(), self._shown, n=3, cutoff=0.6)]
