"""Comments in prompts: from `#` to the end of the line."""

import re

_WHOLE_LINE = re.compile(r"(?:\A|\n)#[^\n]*(?:\n|\Z)")
_REST_OF_LINE = re.compile(r"#[^\n]*(?:\n|\Z)")


def strip_comments(text: str) -> str:
    """Return `text` without its comments.

    A comment leaves a line break behind, even at the very end of the text. A line that begins with `#` goes together
    with its line break, but of such lines in direct succession only every other one does: A1111's results, which show
    in infotexts, are kept to the letter.
    """
    return _REST_OF_LINE.sub("\n", _WHOLE_LINE.sub("\n", text))
