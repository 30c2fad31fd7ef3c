"""What property tests share.

They run with the same examples every time, however slow the machine is. `PROPERTY_SEARCH=20 pytest -k properties`
searches instead: twenty times as many examples, and other ones every time.
"""

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

_SEARCH = int(os.environ.get("PROPERTY_SEARCH", "0"))


def examples(count: int, *, slow: bool = False) -> settings:
    """Return the decorator of a property that is tried on so many examples.

    Args:
        count: how many.
        slow: one that fails is shown as it is, since it would take minutes to look for a simpler one.
    """
    return settings(
        phases=(Phase.explicit, Phase.generate) if slow else tuple(Phase),
        max_examples=count * max(1, _SEARCH),
        derandomize=not _SEARCH,
        database=None,
        deadline=None,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.function_scoped_fixture),
    )


def texts_of(pieces: Sequence[str], *, most: int = 30, surrogates: bool = True) -> st.SearchStrategy[str]:
    """Return a strategy for texts of these pieces and of any characters in between.

    Args:
        pieces: what means something where the text is read.
        most: how many of them, at most.
        surrogates: halves of surrogate pairs are characters, too, which no request and no file can hold.
    """
    characters = st.characters() if surrogates else st.characters(codec="utf-8")
    return st.lists(st.sampled_from(pieces) | st.text(characters, max_size=4), max_size=most).map("".join)


def kept(prompt: str) -> str:
    """Return what A1111's infotexts keep of a prompt.

    Their reader strips the text as a whole and each line of a prompt: blanks at both ends of lines, and empty lines
    before the first word, are lost. (So is what a line is, if it begins as the line of the negative prompt does.)
    """
    return "\n".join(line.strip() for line in prompt.split("\n")).lstrip("\n")
