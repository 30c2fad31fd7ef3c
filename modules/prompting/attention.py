"""A1111's emphasis grammar: `(x)`, `(x:1.3)`, `[x]`, escapes and BREAK."""

import re
from itertools import groupby
from typing import NamedTuple

BREAK = "BREAK"
BREAK_WEIGHT = -1.0

ROUND_WEIGHT = 1.1
SQUARE_WEIGHT = 1 / 1.1

MAX_DEPTH = 100
"""Brackets nested deeper than this add no further weight (1.1^100 is 13,780), which keeps hostile prompts linear."""


class WeightedText(NamedTuple):
    """A stretch of text and how strongly it counts; `(BREAK, BREAK_WEIGHT)` asks for a new chunk."""

    text: str
    weight: float


# Possessive quantifiers: no backtracking into long runs of digits or blanks.
_LEXEME = re.compile(
    r"""
    \\(?P<escaped>[()\[\]\\]?)
    | (?P<bracket>[()\[\]])
    | :\s*+(?P<weight>[+-]?(?:\d++\.?+\d*+|\.\d++))\s*+\)
    | [^\\()\[\]:]++
    | :
    """,
    re.VERBOSE,
)
_BREAK_WORD = re.compile(rf"\b{BREAK}\b")


class _Parser:
    """Collects texts; closing a bracket multiplies the weight of everything since it was opened."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._weights: list[float] = []
        self._round: list[int] = []
        self._square: list[int] = []

    def feed(self, lexeme: re.Match[str]) -> None:
        escaped, bracket, weight = lexeme.group("escaped", "bracket", "weight")
        if escaped is not None:
            self._append(escaped)
        elif bracket == "(":
            self._round.append(len(self._texts))
        elif bracket == "[":
            self._square.append(len(self._texts))
        elif weight is not None and self._round:
            self._close(self._round, float(weight))
        elif bracket == ")" and self._round:
            self._close(self._round, ROUND_WEIGHT)
        elif bracket == "]" and self._square:
            self._close(self._square, SQUARE_WEIGHT)
        else:
            self._append_words(lexeme.group())

    def finish(self) -> list[WeightedText]:
        while self._round:
            self._close(self._round, ROUND_WEIGHT)
        while self._square:
            self._close(self._square, SQUARE_WEIGHT)
        if not self._texts:
            self._append("")
        pairs = zip(self._weights, self._texts, strict=True)
        return [
            WeightedText("".join(text for _, text in run), weight)
            for weight, run in groupby(pairs, key=lambda pair: pair[0])
        ]

    def _close(self, opened: list[int], factor: float) -> None:
        start = opened.pop()
        if len(opened) < MAX_DEPTH:
            for i in range(start, len(self._weights)):
                self._weights[i] *= factor

    def _append(self, text: str, weight: float = 1.0) -> None:
        self._texts.append(text)
        self._weights.append(weight)

    def _append_words(self, text: str) -> None:
        """Append `text`; each word BREAK in it swallows the blanks around it and stands alone."""
        first, *others = _BREAK_WORD.split(text)
        self._append(first.rstrip() if others else first)
        for i, part in enumerate(others, start=1):
            self._append(BREAK, BREAK_WEIGHT)
            self._append(part.strip() if i < len(others) else part.lstrip())


def parse_attention(text: str) -> list[WeightedText]:
    r"""Split `text` into stretches of equal weight.

    `(x)` weighs 1.1, `[x]` 1/1.1, `(x:1.3)` 1.3; nesting multiplies. `\(`, `\)`, `\[`, `\]` and `\\` are literal
    characters. Stray closing brackets and malformed weights are text, unclosed brackets reach to the end. BREAK within
    brackets is weighted like its neighbours and thereby becomes an ordinary word, as in A1111.

    Returns:
        At least one stretch; the empty text has weight 1. Never raises.
    """
    parser = _Parser()
    for lexeme in _LEXEME.finditer(text):
        parser.feed(lexeme)
    return parser.finish()
