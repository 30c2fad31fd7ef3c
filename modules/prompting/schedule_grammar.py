"""Reads A1111's prompt editing: which brackets of a text mean a schedule or alternatives, and which are text.

Source: the A1111 wiki, Features, "Prompt editing" and "Alternating words", and recordings of what A1111 1.8 makes of
malformed texts. Everything here takes time linear in the length of the text and does not recurse, so that no prompt can
be too long or too deep.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import accumulate, pairwise

WHEN = re.compile(r"\s*+[+-]?(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+\s*+")
"""What may follow the last colon of `[from:to:when]`. Possessive: no backtracking into long runs of digits."""

_MARKS = frozenset("[]():|")
_PAIRS = {"]": "[", ")": "("}
_UNREADABLE = frozenset("|\\")
"""Alternatives that nothing encloses, and a backslash with nothing behind it on its line."""

_TOKEN = re.compile(r"(?:[^\\\[\]():|]|\\.)++|[\[\]():|]|\\")


class GroupKind(Enum):
    """What a pair of brackets means."""

    EMPHASIS = auto()
    EDIT = auto()
    ALTERNATION = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A pair of brackets whose contents make sense. Numbers are places in the list of tokens."""

    kind: GroupKind
    opener: int
    separators: tuple[int, ...]
    closer: int

    def parts(self) -> list[range]:
        """Return where the tokens of each part lie."""
        bounds = (self.opener, *self.separators, self.closer)
        return [range(left + 1, right) for left, right in pairwise(bounds)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleText:
    """A text and what changes in it.

    Attributes:
        tokens: the text in pieces: marks such as "[" and ":", and the longest stretches of anything else, escapes
            included.
        offsets: where each token begins in the text, and where the last one ends.
        groups: schedules and alternatives, in the order of their closing brackets.
        unreadable: the place of a token because of which the whole text is taken literally: a "|" that separates no
            alternatives, or a backslash that escapes nothing; None if there is none.
    """

    tokens: tuple[str, ...]
    offsets: tuple[int, ...]
    groups: tuple[Group, ...]
    unreadable: int | None

    def span(self, places: range) -> range:
        """Return which characters of the text the tokens at `places` are."""
        return range(self.offsets[places.start], self.offsets[places.stop])


def read_schedule(text: str) -> ScheduleText:
    """Return what changes in `text`; see `prompt_schedule` for the grammar. Never raises."""
    tokens = _TOKEN.findall(text)
    groups = _match(tokens)
    unreadable = _unreadable(tokens, groups)
    literal = set[int]() if unreadable is not None else _literal_marks(tokens, groups)
    return ScheduleText(
        tokens=tuple(tokens),
        offsets=tuple(accumulate(map(len, tokens), initial=0)),
        groups=tuple(
            group
            for group in groups.values()
            if unreadable is None and group.kind is not GroupKind.EMPHASIS and group.closer not in literal
        ),
        unreadable=unreadable,
    )


def _match(tokens: Sequence[str]) -> dict[int, Group]:
    """Return all groups by the place of their closing bracket.

    Where a closing bracket makes no group with the last open one, neither it nor any bracket open by then can be part
    of a group, since a group's contents must make sense too.
    """
    groups: dict[int, Group] = {}
    opened: list[tuple[int, list[int]]] = []
    for place, token in enumerate(tokens):
        if token in {"[", "("}:
            opened.append((place, []))
        elif token in {":", "|"}:
            if opened:
                opened[-1][1].append(place)
        elif token in _PAIRS:
            group = _group(tokens, *opened[-1], place) if opened else None
            if group is None:
                opened.clear()
            else:
                groups[place] = group
                opened.pop()
    return groups


def _group(tokens: Sequence[str], opener: int, separators: Sequence[int], closer: int) -> Group | None:
    """Return the group of these brackets and of the separators directly within them, None if they make no sense."""
    if tokens[opener] != _PAIRS[tokens[closer]]:
        return None
    marks = "".join(tokens[place] for place in separators)
    if not marks or (marks == ":" and tokens[opener] == "("):
        kind = GroupKind.EMPHASIS
    elif tokens[opener] == "[" and marks.strip("|") == "":
        kind = GroupKind.ALTERNATION
    elif (
        tokens[opener] == "[" and marks in {":", "::"} and WHEN.fullmatch("".join(tokens[separators[-1] + 1 : closer]))
    ):
        kind = GroupKind.EDIT
    else:
        return None
    return Group(kind=kind, opener=opener, separators=tuple(separators), closer=closer)


def _unreadable(tokens: Sequence[str], groups: Mapping[int, Group]) -> int | None:
    """Return the first `|` that separates no alternatives, or backslash that escapes nothing."""
    alternations = (group for group in groups.values() if group.kind is GroupKind.ALTERNATION)
    separating = {place for group in alternations for place in group.separators}
    strays = (place for place, token in enumerate(tokens) if token in _UNREADABLE and place not in separating)
    return next(strays, None)


def _literal_marks(tokens: Sequence[str], groups: Mapping[int, Group]) -> set[int]:
    """Return the places of the marks that are text; a group whose closing bracket is among them is none.

    Stray marks are text, of course. But the grammar is ambiguous: `[a:1]::` can be a schedule before two colons as well
    as text throughout, and A1111 decides such cases by how many marks stand together. From the right to the left: in a
    run of marks that does not end with a group, all marks are text, apart from the first one if their number is even,
    which may therefore close a group. Marks of alternatives are never text.
    """
    literal: set[int] = set()
    end = len(tokens)
    while end:
        last = end - 1
        if tokens[last] not in _MARKS:
            end = last
        elif last in groups:
            end = groups[last].opener
        else:
            start = last
            while start and tokens[start - 1] in _MARKS and not _closes_alternation(groups.get(start - 1)):
                start -= 1
            if (end - start) % 2 == 0:
                start += 1
            literal.update(range(start, end))
            end = start
    return literal


def _closes_alternation(group: Group | None) -> bool:
    return group is not None and group.kind is GroupKind.ALTERNATION
