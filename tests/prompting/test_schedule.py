from typing import Any

import pytest

from modules.prompting.schedule import Clock, ScheduleWriter, prompt_schedule
from modules.prompting.schedule_grammar import read_schedule
from tests.prompting.recordings import recorded


@pytest.mark.parametrize("case", recorded("schedules"), ids=lambda case: f"{case['text']!r} {case['steps']}")
def test_schedules_as_recorded(case: Any) -> None:
    stages = prompt_schedule(
        case["text"],
        case["steps"],
        hires_steps=case.get("hires_steps"),
        use_old_scheduling=case.get("use_old_scheduling", False),
    )
    assert [list(stage) for stage in stages] == case["stages"]


def at(text: str, step: int, steps: int = 10) -> str:
    """Return what `text` says at a step, counted from 1."""
    return next(stage.text for stage in prompt_schedule(text, steps) if step <= stage.until)


@pytest.mark.parametrize(
    "text", ["", "a cat", "(a:1.3), [b] \\[c:d:3\\] a:b", "a) [b", "a\\(b\\), c\n\nd", "[a:b]", "#:)"]
)
def test_a_text_without_schedules_is_itself(text: str) -> None:
    assert prompt_schedule(text, 20) == ((20, text),)


@pytest.mark.parametrize("text", ["a|b", "a [b:c:3]|", "(a|b)", "[a|b:c:3]", "[b:c:3] \\", "[b:c:3] \\\nd"])
def test_an_unreadable_text_is_taken_literally_as_a_whole(text: str) -> None:
    assert prompt_schedule(text, 10) == ((10, text),)


@pytest.mark.parametrize("text", ["[a (b] c:3]", "[a ) b:3]", "[a:[b:c] d:3]", "[a:b:c:3]", "(a:b:3)", "[a:3)"])
def test_a_group_around_what_makes_no_sense_makes_none(text: str) -> None:
    assert prompt_schedule(text, 10) == ((10, text),)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("[a:1]:", ":", "a:"),
        ("[a:1]::", "[a:1]::", None),
        ("[a:1]:::", ":::", "a:::"),
        ("[a:1] ::", " ::", "a ::"),
        ("([a:1]):", "([a:1]):", None),
        ("[[a:1]:2]::", "[:2]::", "[a:2]::"),
        ("[a|b]::", "a::", "b::"),
        ("[a:1]((b))", "((b))", "a((b))"),
    ],
)
def test_ambiguous_schedules_before_stray_marks(text: str, first: str, second: str | None) -> None:
    expected = ((2, first),) if second is None else ((1, first), (2, second))
    assert prompt_schedule(text, 2) == expected


@pytest.mark.parametrize("when", ["3", " 3 ", "+3", "0.3", ".3", "3e0", "3.0e-1", "\n0.3\t"])
def test_when_is_a_number_or_a_share_of_the_steps(when: str) -> None:
    assert prompt_schedule(f"[a:b:{when}]", 10) == ((3, "a"), (10, "b"))


@pytest.mark.parametrize("when", ["", "x", "3x", "1 0", "3,", "0x3", "1_0", "٣", "nan", "inf", "-", ".", "1e", "1.2.3"])
def test_what_is_no_number_makes_no_schedule(when: str) -> None:
    assert prompt_schedule(f"[a:b:{when}]", 10) == ((10, f"[a:b:{when}]"),)


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("99", "a"),
        ("1.0", "a"),
        ("1e400", "a"),
        ("9" * 5000, "a"),
        ("0", "b"),
        ("-2", "b"),
        ("0.05", "b"),
        ("-1e400", "b"),
    ],
)
def test_a_change_out_of_the_picture_never_happens_or_at_once(when: str, text: str) -> None:
    assert prompt_schedule(f"[a:b:{when}]", 10) == ((10, text),)


def test_groups_within_groups() -> None:
    text = "([a [x|y]:[(b:1.2)|c]:4]:1.1) [d]"
    assert at(text, 4) == "(a y:1.1) [d]"
    assert at(text, 5) == "((b:1.2):1.1) [d]"
    assert at(text, 6) == "(c:1.1) [d]"


def test_a_long_alternation_takes_turns_with_a_short_one() -> None:
    said = [stage.text for stage in prompt_schedule("[a|b][c|d|]", 7)]
    assert said == ["ac", "bd", "a", "bc", "ad", "b", "ac"]


def test_the_second_pass_counts_on() -> None:
    assert prompt_schedule("[a:b:13]", 10, hires_steps=8) == ((3, "a"), (8, "b"))
    assert prompt_schedule("[a:b:1.5]", 10, hires_steps=8) == ((4, "a"), (8, "b"))
    assert prompt_schedule("[a:b:7]", 10, hires_steps=8) == ((8, "b"),)
    assert prompt_schedule("[a:b:7]", 10, hires_steps=8, use_old_scheduling=True) == ((7, "a"), (10, "b"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit",
    ["[", "[a", "(", "[(", "]", ":", "|", "\\", "[a|", "[a:", "[a:b:", "[a:b:3]", "[a|b]", "[a:1]:", "1", " ", "😀"],
)
def test_long_hostile_texts_end_soon(unit: str) -> None:
    assert prompt_schedule(unit * (100_000 // len(unit)), 20)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("when", ["1" * 100_000 + "x", " " * 100_000, "1" * 50_000 + " " * 50_000 + "x"])
def test_a_long_hostile_when_ends_soon(when: str) -> None:
    assert prompt_schedule(f"[a:{when}]", 20) == ((20, f"[a:{when}]"),)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("opening", "closing"), [("[a:", ":3]"), ("[", ":3]"), ("[a|", "]"), ("[", "|b]"), ("(", ")")])
def test_deep_texts_do_not_recurse(opening: str, closing: str) -> None:
    stages = prompt_schedule(opening * 10_000 + "x" + closing * 10_000, 20)
    assert stages[-1].until == 20


def test_spans_say_where_the_text_of_a_step_stands() -> None:
    text = "a [(b:1.2):[c|d]:2], e"
    writer = ScheduleWriter(read_schedule(text), Clock.of_pass(4))
    stages = writer.stages()
    assert [stage.text for stage in stages] == ["a (b:1.2), e", "a (b:1.2), e", "a c, e", "a d, e"]
    for stage in stages:
        assert "".join(text[span.start : span.stop] for span in writer.spans(stage.until)) == stage.text
    assert writer.spans(1) == [range(2), range(3, 10), range(19, 22)]
