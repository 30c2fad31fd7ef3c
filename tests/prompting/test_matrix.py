from typing import Any

import pytest

from modules.core.errors import InvalidRequest
from modules.prompting.matrix import matrix_prompts
from tests.prompting.recordings import recorded


@pytest.mark.parametrize("case", recorded("matrix"), ids=lambda case: f"{case['text']!r} {case['at_start']}")
def test_prompts_are_as_recorded(case: Any) -> None:
    prompts = matrix_prompts(case["text"], delimiter=case["delimiter"], at_start=case["at_start"])
    assert list(prompts) == case["prompts"]


def test_too_many_options_are_refused() -> None:
    assert len(matrix_prompts("a" + "|b" * 12, delimiter=" ", at_start=False)) == 4096
    with pytest.raises(InvalidRequest, match="13 options"):
        matrix_prompts("a" + "|b" * 13, delimiter=" ", at_start=False)
