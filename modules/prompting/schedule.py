"""A1111's prompt editing: `[from:to:when]`, `[to:when]`, `[from::when]` and `[a|b|c]`.

Source: the A1111 wiki, Features, "Prompt editing" and "Alternating words", and recordings of what A1111 1.8 makes of
malformed texts. Everything here takes time linear in the length of the text and does not recurse, so that no prompt can
be too long or too deep.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from math import lcm
from typing import NamedTuple


class PromptStage(NamedTuple):
    """A text and how long it holds.

    Attributes:
        until: the last step (from 1) for which it was made.
        text: a prompt in the emphasis grammar.
    """

    until: int
    text: str


def prompt_schedule(
    text: str, steps: int, *, hires_steps: int | None = None, use_old_scheduling: bool = False
) -> tuple[PromptStage, ...]:
    r"""Return what `text` says from step to step.

    - `[from:to:when]` is `from` up to the step `when`, `to` after it; `[to:when]` and `[from::when]` leave one out.
    - `[a|b|c]` is another option at every step; options may be empty.
    - `when` with a "." is a share of the steps (0.5: half of them), without one a number of steps.
    - Texts in brackets may hold schedules, alternatives and emphasis in turn; `\[`, `\]`, `\(`, `\)`, `\:` and `\|` are
      literal. Emphasis and escapes stay in the text, for `parse_attention`.

    A text that cannot be read, for instance one with a `|` outside of brackets, is taken literally as a whole; stray
    brackets and colons elsewhere are text.

    Args:
        text: the prompt.
        steps: of the first pass, at least 1; twice as many for a sampler with two model calls per step.
        hires_steps: None for the first pass; else the schedule is the second pass's, which has so many steps: there
            numbers count on from `steps`, and shares are those from 1.0 to 2.0.
        use_old_scheduling: as before A1111 1.6: a share is what is below 1, and both passes have the same schedule.

    Returns:
        Stages in the order of their ends, the last one ending with the last step. Neighbours may have the same text.
    """
    clock = _Clock.of_pass(steps, hires_steps, use_old_scheduling=use_old_scheduling)
    tokens = _lex(text)
    groups = _match(tokens)
    if not _readable(tokens, groups):
        return (PromptStage(clock.steps, text),)
    literal = _literal_marks(tokens, groups)
    choices = {
        group.opener: _choice(tokens, group, clock)
        for group in groups.values()
        if group.kind is not _Kind.EMPHASIS and group.closer not in literal
    }
    return _stages(tokens, choices, clock.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """Turns what a person writes for "when" into a step of the pass.

    Attributes:
        steps: of the pass.
        first_number: the whole number that means its beginning.
        first_share: the fraction that means its beginning.
        old: numbers below 1 are shares, whether or not they are written with a ".".
    """

    steps: int
    first_number: int
    first_share: float
    old: bool

    @classmethod
    def of_pass(cls, steps: int, hires_steps: int | None, *, use_old_scheduling: bool) -> "_Clock":
        if hires_steps is None or use_old_scheduling:
            return cls(steps=steps, first_number=0, first_share=0, old=use_old_scheduling)
        return cls(steps=hires_steps, first_number=steps, first_share=1, old=False)

    def step(self, when: str) -> int:
        """Return the last step before the change: 0 for "at once", `steps` for "never"."""
        number = float(when)
        if self.old:
            value = number * self.steps if number < 1 else number
        elif "." in when:
            value = (number - self.first_share) * self.steps
        else:
            value = number - self.first_number
        return int(max(0, min(value, self.steps)))


# Reading: texts and the marks between them.

_MARKS = frozenset("[]():|")
_PAIRS = {"]": "[", ")": "("}
_UNREADABLE = "\\"
"""A backslash with nothing behind it on its line."""

# Possessive quantifiers: no backtracking into long runs of digits or blanks.
_TOKEN = re.compile(r"(?:[^\\\[\]():|]|\\.)++|[\[\]():|]|\\")
_WHEN = re.compile(r"\s*+[+-]?(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+\s*+")


def _lex(text: str) -> list[str]:
    """Split `text` into marks and the longest stretches of anything else, escapes included."""
    return _TOKEN.findall(text)


class _Kind(Enum):
    EMPHASIS = auto()
    EDIT = auto()
    ALTERNATION = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A pair of brackets whose contents make sense. Numbers are places in the list of tokens."""

    kind: _Kind
    opener: int
    separators: tuple[int, ...]
    closer: int

    def parts(self) -> list[range]:
        """Return where the tokens of each part lie."""
        bounds = (self.opener, *self.separators, self.closer)
        return [range(left + 1, right) for left, right in pairwise(bounds)]


def _match(tokens: Sequence[str]) -> dict[int, _Group]:
    """Return all groups by the place of their closing bracket.

    Where a closing bracket makes no group with the last open one, neither it nor any bracket open by then can be part
    of a group, since a group's contents must make sense too.
    """
    groups: dict[int, _Group] = {}
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


def _group(tokens: Sequence[str], opener: int, separators: Sequence[int], closer: int) -> _Group | None:
    """Return the group of these brackets and of the separators directly within them, None if they make no sense."""
    if tokens[opener] != _PAIRS[tokens[closer]]:
        return None
    marks = "".join(tokens[place] for place in separators)
    if not marks or (marks == ":" and tokens[opener] == "("):
        kind = _Kind.EMPHASIS
    elif tokens[opener] == "[" and marks.strip("|") == "":
        kind = _Kind.ALTERNATION
    elif (
        tokens[opener] == "[" and marks in {":", "::"} and _WHEN.fullmatch("".join(tokens[separators[-1] + 1 : closer]))
    ):
        kind = _Kind.EDIT
    else:
        return None
    return _Group(kind=kind, opener=opener, separators=tuple(separators), closer=closer)


def _readable(tokens: Sequence[str], groups: Mapping[int, _Group]) -> bool:
    """Whether each `|` separates alternatives and each backslash escapes something."""
    separating = sum(len(group.separators) for group in groups.values() if group.kind is _Kind.ALTERNATION)
    return tokens.count("|") == separating and _UNREADABLE not in tokens


def _literal_marks(tokens: Sequence[str], groups: Mapping[int, _Group]) -> set[int]:
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


def _closes_alternation(group: _Group | None) -> bool:
    return group is not None and group.kind is _Kind.ALTERNATION


# Writing: the text of each step.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """One part up to a step, another one after it."""

    before: range
    after: range
    until: int
    closer: int

    def part(self, step: int) -> range:
        return self.before if step <= self.until else self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alternation:
    """Another part at every step."""

    options: Sequence[range]
    closer: int

    def part(self, step: int) -> range:
        return self.options[(step - 1) % len(self.options)]


def _choice(tokens: Sequence[str], group: _Group, clock: _Clock) -> _Edit | _Alternation:
    parts = group.parts()
    if group.kind is _Kind.ALTERNATION:
        return _Alternation(options=parts, closer=group.closer)
    *texts, when = parts
    until = clock.step("".join(tokens[place] for place in when))
    before = texts[0] if len(texts) == 2 else range(0)
    return _Edit(before=before, after=texts[-1], until=until, closer=group.closer)


def _stages(tokens: Sequence[str], choices: Mapping[int, _Edit | _Alternation], steps: int) -> tuple[PromptStage, ...]:
    """Write the text of every step at which something changes; equal situations share one string."""
    changes = sorted({edit.until for edit in choices.values() if isinstance(edit, _Edit)} - {0} | {steps})
    alternations = [choice for choice in choices.values() if isinstance(choice, _Alternation)]
    period = lcm(*(len(alternation.options) for alternation in alternations))
    ends = range(1, steps + 1) if alternations else changes
    texts: dict[tuple[int, int], str] = {}
    stages: list[PromptStage] = []
    for end in ends:
        situation = (bisect_left(changes, end), end % period)
        if situation not in texts:
            texts[situation] = _text_at(end, tokens, choices)
        stages.append(PromptStage(end, texts[situation]))
    return tuple(stages)


def _text_at(step: int, tokens: Sequence[str], choices: Mapping[int, _Edit | _Alternation]) -> str:
    pieces: list[str] = []
    place, end = 0, len(tokens)
    outer: list[tuple[int, int]] = []  # of each part around the present one: where to go on in it, and where it ends
    while place < end or outer:
        if place == end:
            place, end = outer.pop()
        elif place in choices:
            choice = choices[place]
            outer.append((choice.closer + 1, end))
            part = choice.part(step)
            place, end = part.start, part.stop
        else:
            pieces.append(tokens[place])
            place += 1
    return "".join(pieces)
