"""Prompts composed with AND: `a cat :1.2 AND a dog :0.5` (Composable Diffusion, arXiv:2206.01714, equation 11)."""

import re
from dataclasses import dataclass

from modules.prompting.attention import bounded

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"[+-]?(?:\d+\.?|\d*\.\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedPart:
    """What stands between two ANDs.

    Attributes:
        text: a prompt that may change from step to step, without the blanks at its end.
        weight: how strongly it guides beside the others; a negative one leads away from it.
        start: where the text begins in the whole prompt.
    """

    text: str
    weight: float
    start: int


def split_composition(text: str) -> tuple[ComposedPart, ...]:
    """Split a positive prompt at each word AND, even within brackets, as A1111 does.

    `:` and a number at the end of a part are its weight, without which it weighs 1. Negative prompts have no parts:
    there AND is a word.

    Returns:
        At least one part; parts may be empty or equal. Never raises.
    """
    ands = [match.span() for match in _AND.finditer(text)]
    starts, ends = [0, *(end for _, end in ands)], [*(start for start, _ in ands), len(text)]
    return tuple(_part(text[start:end], start) for start, end in zip(starts, ends, strict=True))


def _part(text: str, start: int) -> ComposedPart:
    before, colon, after = text.rpartition(":")
    number = after.strip()  # which knows more blanks than `float`
    if colon and _WEIGHT.fullmatch(number):
        return ComposedPart(text=before.rstrip(), weight=bounded(float(number)), start=start)
    return ComposedPart(text=text.rstrip(), weight=1.0, start=start)
