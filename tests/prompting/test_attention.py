import math
from typing import Any

import pytest

from modules.prompting.attention import (
    BREAK,
    BREAK_WEIGHT,
    MAX_WEIGHT,
    WeightedText,
    attention_spans,
    bounded,
    parse_attention,
)
from tests.prompting.recordings import recorded


@pytest.mark.parametrize("case", recorded("attention"), ids=lambda case: repr(case["text"]))
def test_parses_as_recorded(case: Any) -> None:
    parsed = [list(piece) for piece in parse_attention(case["text"])]
    if case["parsed"] is not None:
        assert parsed == case["parsed"]


@pytest.mark.parametrize("number", ["1..2", "...", ".", "1.2.3", "1e3", "+-1", "1,2"])
def test_a_malformed_weight_is_text(number: str) -> None:
    assert parse_attention(f"(a:{number})") == [WeightedText(f"a:{number}", 1.1)]


def test_break_stands_alone_and_swallows_blanks() -> None:
    assert parse_attention("a \n BREAK\tb") == [("a", 1.0), (BREAK, BREAK_WEIGHT), ("b", 1.0)]


def test_nesting_stops_adding_weight_at_a_depth() -> None:
    (piece,) = parse_attention("(" * 5000 + "a" + ")" * 5000)
    assert piece.text == "a"
    assert piece.weight == pytest.approx(1.1**100)


@pytest.mark.parametrize("weight", ["9" * 400, f"-{'9' * 400}", "1" + "0" * 40])
def test_weights_stay_numbers(weight: str) -> None:
    (piece,) = parse_attention(f"(((a:{weight}):{weight}):1.5)")
    assert abs(piece.weight) == MAX_WEIGHT


def test_infinity_times_nothing_is_nothing() -> None:
    (piece,) = parse_attention(f"((a:{'9' * 400}):0)")
    assert piece.weight == 0
    assert bounded(math.nan) == 0


def test_spans_say_where_a_stretch_stands() -> None:
    text = r"a (b\(c\):1.3) BREAK  d"
    spans = [["".join(text[span.start : span.stop]) for span in piece.spans if span] for piece in attention_spans(text)]
    assert spans == [["a "], ["b", "(", "c", ")"], [], ["BREAK"], ["d"]]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit", ["(", "(a", "[(", "a)]", "([a", "(a:", ": ", "1", " ", "\\", "(a:1.1)", " BREAK ", "😀"]
)
def test_long_hostile_prompts_end_soon(unit: str) -> None:
    assert parse_attention("(a:" + unit * (100_000 // len(unit)))
