"""Lints of prompt editing: changes that never come, and brackets that only look like a schedule."""

import re
from collections.abc import Iterator, Sequence

from modules.prompting.report import Lint
from modules.prompting.schedule import Clock
from modules.prompting.schedule_grammar import WHEN, Group, GroupKind, ScheduleText
from modules.prompting.traced import TracedText

_INNERMOST = re.compile(r"\[(?P<inner>[^\[\]()|\\]*+)\]")


def schedule_lints(part: TracedText, source: ScheduleText, clocks: Sequence[Clock]) -> Iterator[Lint]:
    """Yield what does not change the prompt, although it seems to.

    Args:
        part: a part of the prompt, between ANDs.
        source: what was read from it.
        clocks: of the first pass, and of the second one if there is one.
    """
    if source.unreadable is not None and "[" in part.text:
        sign = source.tokens[source.unreadable]
        message = f"“{sign}” makes the whole text literal: nothing in it changes from step to step."
        yield _lint(part, source.span(range(source.unreadable, source.unreadable + 1)), "unreadable", message)
    for group in source.groups:
        if group.kind is GroupKind.EDIT:
            yield from _timing_lints(part, source, group, clocks)
    for match in _INNERMOST.finditer(part.text):
        before, _, when = match["inner"].rpartition(":")
        if before and not WHEN.fullmatch(when):
            message = "What stands behind the last colon is no step, so these brackets only weaken what is in them."
            yield _lint(part, range(*match.span()), "no-step", message)


def _timing_lints(part: TracedText, source: ScheduleText, group: Group, clocks: Sequence[Clock]) -> Iterator[Lint]:
    *texts, places = group.parts()
    when = "".join(source.tokens[place] for place in places).strip()
    if any(0 < clock.step(when) < clock.steps for clock in clocks):
        return
    first = clocks[0]
    if first.step(when) == 0:
        message = "The change comes before the first step: only what it changes to is used."
    elif "." in when:
        message = "The change never comes: a share of the steps lies between 0 and 1."
    else:
        message = f"The change never comes: there are {first.steps} steps."
    if len(texts) == 1 and "." in when:
        message += " If the number is meant as a weight, use round brackets."
    yield _lint(part, source.span(range(group.opener, group.closer + 1)), "no-change", message)


def _lint(part: TracedText, span: range, rule: str, message: str) -> Lint:
    place = part.place(span)
    return Lint(start=place.start, stop=place.stop, rule=rule, message=message)
