"""Comments in prompts: from `#` to the end of the line."""

import re

COMMENTS = (re.compile(r"(?:\A|\n)#[^\n]*(?:\n|\Z)"), re.compile(r"#[^\n]*(?:\n|\Z)"))
"""Whole lines, then rests of lines: one after the other they are replaced by a line break."""


def strip_comments(text: str) -> str:
    """Return `text` without its comments.

    A comment leaves a line break behind, even at the very end of the text. A line that begins with `#` goes together
    with its line break, but of such lines in direct succession only every other one does: A1111's results, which show
    in infotexts, are kept to the letter.
    """
    for pattern in COMMENTS:
        text = pattern.sub("\n", text)
    return text
