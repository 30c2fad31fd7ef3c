from typing import Any

import pytest

from modules.prompting.attention import MAX_WEIGHT
from modules.prompting.composition import split_composition
from tests.prompting.recordings import recorded


@pytest.mark.parametrize("case", recorded("composition"), ids=lambda case: repr(case["text"][:40]))
def test_splits_as_recorded(case: Any) -> None:
    assert [[part.text, part.weight] for part in split_composition(case["text"])] == case["parts"]


def test_a_part_knows_where_it_begins() -> None:
    text = " a cat :1.2 AND a dog AND"
    assert [(part.start, part.text) for part in split_composition(text)] == [(0, " a cat"), (15, " a dog"), (25, "")]


def test_weights_stay_numbers() -> None:
    (part,) = split_composition("a:-" + "9" * 400)
    assert part.weight == -MAX_WEIGHT


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["AND ", " ", ":", ": ", ":1", "1", "a:1 AND ", "\n"])
def test_long_hostile_texts_end_soon(unit: str) -> None:
    assert split_composition("a" + unit * (100_000 // len(unit)) + "x")
