import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from modules.prompting.attention import parse_attention
from tests.tiny_checkpoint import write_tiny_sd1
from tools.demo_model import directions
from tools.demo_model.classifier import Classifier, new_network
from tools.demo_model.comparisons import Arm, Case, Comparison, Look, Outcome, outcome, shows, towards
from tools.demo_model.directions import SCHEDULES, emphasis, negative_prompts, scheduling
from tools.demo_model.world import COLOURS

PLAIN, CHANGED = Arm("a circle"), Arm("a circle", "red")


def look(colour: str) -> Look:
    """A picture of that colour, for the classifier and for the pixels."""
    return Look(answers={"colour": colour}, figure=np.array(COLOURS[colour], np.float64))


def red_share(before: Sequence[str], after: Sequence[str], *, rises: bool) -> Outcome:
    """What comes of comparing how many pictures are red, in two series of the given colours."""
    case = Case(before=PLAIN, after=CHANGED, measure=shows("colour", "red"))
    series = {PLAIN: [look(colour) for colour in before], CHANGED: [look(colour) for colour in after]}
    return outcome(Comparison(change="", measured="", rises=rises, cases=(case,)), series.__getitem__)


def test_a_change_in_the_direction_said_counts_when_chance_is_unlikely() -> None:
    came = red_share(["red"] * 8 + ["blue"] * 2, ["blue"] * 10, rises=False)
    assert (came.before, came.after, came.pairs) == (0.8, 0, 10)
    assert came.p == pytest.approx(2 / 256)
    assert came.as_said


@pytest.mark.parametrize(
    ("before", "after", "rises"),
    [
        (["red"] * 8, ["blue"] * 8, True),  # the wrong way
        (["red"] * 3 + ["blue"] * 5, ["blue"] * 8, False),  # too few
        (["red"] * 8, ["red"] * 8, False),  # nothing
    ],
)
def test_other_changes_do_not(before: list[str], after: list[str], *, rises: bool) -> None:
    assert not red_share(before, after, rises=rises).as_said


def test_cases_count_together() -> None:
    series = {PLAIN: [look("red")] * 5 + [look("blue")] * 5, CHANGED: [look("green")] * 10}
    cases = tuple(Case(before=PLAIN, after=CHANGED, measure=shows("colour", name)) for name in ("red", "blue"))
    came = outcome(Comparison(change="", measured="", rises=False, cases=cases), series.__getitem__)
    assert (came.before, came.after, came.pairs) == (0.5, 0, 20)
    assert came.p == pytest.approx(2 / 1024)


def test_the_way_between_colours_is_measured_from_the_other_one() -> None:
    measure = towards("red", "blue")
    assert measure(look("red")) == 1
    assert measure(look("blue")) == 0
    assert 0 < measure(look("purple")) < 1
    assert measure(Look(answers={}, figure=None)) == 0.5


@pytest.mark.parametrize("comparison", negative_prompts())
def test_negative_prompts_are_all_that_differs(comparison: Comparison) -> None:
    assert not comparison.rises
    for case in comparison.cases:
        assert case.before == Arm(case.after.prompt)
        assert case.after.negative_prompt


@pytest.mark.parametrize("comparison", emphasis())
def test_weights_are_all_that_differs(comparison: Comparison) -> None:
    for case in comparison.cases:
        (weighted,) = (part for part in parse_attention(case.after.prompt) if part.weight != 1)
        assert (weighted.weight > 1) == comparison.rises
        assert "".join(part.text for part in parse_attention(case.after.prompt)) == case.before.prompt
        colour = look(weighted.text)
        assert case.measure(colour) == 1


def test_schedules_go_from_one_colour_to_the_other() -> None:
    assert SCHEDULES == ("red", "[red:blue:0.9]", "[red:blue:0.5]", "[red:blue:0.1]", "blue")
    series = {
        Arm(f"a large {words} circle on a white background"): [look(colour)] * 10
        for words, colour in zip(SCHEDULES, ("red", "red", "purple", "blue", "blue"), strict=True)
    }
    assert all(outcome(comparison, series.__getitem__).as_said for comparison in scheduling())
    backwards = dict(zip(series, reversed(series.values()), strict=True))
    assert not any(outcome(comparison, backwards.__getitem__).as_said for comparison in scheduling())


def test_the_report_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directions, "trained_classifier", lambda: Classifier(new_network()))
    report = tmp_path / "report.md"
    options = f"--count 2 --steps 1 --size 32 --checkpoint {write_tiny_sd1(tmp_path)} --report {report}"
    monkeypatch.setattr(sys, "argv", ["directions", *options.split()])
    directions.main()
    text = report.read_text(encoding="utf-8")
    assert text.count("| is to |") == 3
    assert all(f"`{words}`" in text for words in SCHEDULES)
    assert "<!-- end directions -->" in text
