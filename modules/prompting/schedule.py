"""A1111's prompt editing: `[from:to:when]`, `[to:when]`, `[from::when]` and `[a|b|c]`, step by step.

Like `schedule_grammar`, this does not recurse and takes time linear in the length of what it writes.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import NamedTuple

from modules.prompting.schedule_grammar import Group, GroupKind, ScheduleText, read_schedule


class PromptStage(NamedTuple):
    """A text and how long it holds.

    Attributes:
        until: the last step (from 1) for which it was made.
        text: a prompt in the emphasis grammar.
    """

    until: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Turns what a person writes for "when" into a step of a pass.

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
    def of_pass(cls, steps: int, hires_steps: int | None = None, *, use_old_scheduling: bool = False) -> "Clock":
        """Return the clock of the first pass, or of the second one if that has `hires_steps`; see `prompt_schedule`."""
        if hires_steps is None or use_old_scheduling:
            return cls(steps=steps, first_number=0, first_share=0, old=use_old_scheduling)
        return cls(steps=hires_steps, first_number=steps, first_share=1, old=False)

    def step(self, when: str) -> int:
        """Return the last step before the change: 0 for "at once", `steps` for "never"."""
        number = float(when.strip())  # which knows more blanks than `float`
        if self.old:
            value = number * self.steps if number < 1 else number
        elif "." in when:
            value = (number - self.first_share) * self.steps
        else:
            value = number - self.first_number
        return int(max(0, min(value, self.steps)))


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
    clock = Clock.of_pass(steps, hires_steps, use_old_scheduling=use_old_scheduling)
    return ScheduleWriter(read_schedule(text), clock).stages()


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


class ScheduleWriter:
    """Writes the text of every step of one pass."""

    def __init__(self, source: ScheduleText, clock: Clock) -> None:
        self._source = source
        self._steps = clock.steps
        self._choices: Mapping[int, _Edit | _Alternation] = {
            group.opener: _choice(source, group, clock) for group in source.groups
        }

    def stages(self) -> tuple[PromptStage, ...]:
        """Return the text of every step at which something changes; equal situations share one string."""
        choices = self._choices.values()
        changes = sorted({edit.until for edit in choices if isinstance(edit, _Edit)} - {0} | {self._steps})
        alternations = [choice for choice in choices if isinstance(choice, _Alternation)]
        period = lcm(*(len(alternation.options) for alternation in alternations))
        ends = range(1, self._steps + 1) if alternations else changes
        texts: dict[tuple[int, int], str] = {}
        stages: list[PromptStage] = []
        for end in ends:
            situation = (bisect_left(changes, end), end % period)
            if situation not in texts:
                texts[situation] = "".join(self._source.tokens[place] for place in self._places(end))
            stages.append(PromptStage(end, texts[situation]))
        return tuple(stages)

    def spans(self, step: int) -> list[range]:
        """Return which characters of the source make the text of a step."""
        spans: list[range] = []
        for place in self._places(step):
            span = self._source.span(range(place, place + 1))
            if spans and spans[-1].stop == span.start:
                span = range(spans.pop().start, span.stop)
            spans.append(span)
        return spans

    def _places(self, step: int) -> Iterator[int]:
        """Yield the places of the tokens that make the text of a step."""
        place, end = 0, len(self._source.tokens)
        outer: list[tuple[int, int]] = []  # of each part around the present one: where to go on, and where it ends
        while place < end or outer:
            if place == end:
                place, end = outer.pop()
            elif place in self._choices:
                choice = self._choices[place]
                outer.append((choice.closer + 1, end))
                part = choice.part(step)
                place, end = part.start, part.stop
            else:
                yield place
                place += 1


def _choice(source: ScheduleText, group: Group, clock: Clock) -> _Edit | _Alternation:
    parts = group.parts()
    if group.kind is GroupKind.ALTERNATION:
        return _Alternation(options=parts, closer=group.closer)
    *texts, when = parts
    until = clock.step("".join(source.tokens[place] for place in when))
    before = texts[0] if len(texts) == 2 else range(0)
    return _Edit(before=before, after=texts[-1], until=until, closer=group.closer)
