from typing import Any

import pytest

from modules.prompting.comments import strip_comments
from tests.prompting.recordings import recorded


@pytest.mark.parametrize("case", recorded("comments"), ids=lambda case: repr(case["text"]))
def test_strips_as_recorded(case: Any) -> None:
    assert strip_comments(case["text"]) == case["stripped"]


def test_of_leading_comment_lines_the_second_leaves_its_line() -> None:
    assert strip_comments("#a\n#b\nc") == "\n\nc"


def test_text_without_comments_is_untouched() -> None:
    assert strip_comments(" a,\n b \n\n(c:1.2)\n") == " a,\n b \n\n(c:1.2)\n"
