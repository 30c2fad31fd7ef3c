"""A1111's emphasis grammar: `(x)`, `(x:1.3)`, `[x]`, escapes and BREAK."""

import math
import re
from itertools import groupby
from typing import NamedTuple

BREAK = "BREAK"
BREAK_WEIGHT = -1.0

ROUND_WEIGHT = 1.1
SQUARE_WEIGHT = 1 / 1.1

MAX_DEPTH = 100
"""Brackets nested deeper than this add no further weight (1.1^100 is 13,780), which keeps hostile prompts linear."""

MAX_WEIGHT = 1e30
"""Weights end here, on either side, so that they are numbers in float32 and in JSON."""


class WeightedText(NamedTuple):
    """A stretch of text and how strongly it counts; `(BREAK, BREAK_WEIGHT)` asks for a new chunk."""

    text: str
    weight: float


class WeightedSpans(NamedTuple):
    """Where a stretch of text stands in the prompt: what lies between the spans are brackets, weights and escapes."""

    spans: tuple[range, ...]
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
_BREAK_WORD = re.compile(rf"\b{BREAK}\b\s*+")


class _Parser:
    """Collects spans; closing a bracket multiplies the weight of everything since it was opened."""

    def __init__(self) -> None:
        self._spans: list[range] = []
        self._weights: list[float] = []
        self._round: list[int] = []
        self._square: list[int] = []

    def feed(self, lexeme: re.Match[str]) -> None:
        bracket, weight = lexeme.group("bracket", "weight")
        if lexeme.group("escaped") is not None:
            self._append(*lexeme.span("escaped"))
        elif bracket == "(":
            self._round.append(len(self._spans))
        elif bracket == "[":
            self._square.append(len(self._spans))
        elif weight is not None and self._round:
            self._close(self._round, float(weight))
        elif bracket == ")" and self._round:
            self._close(self._round, ROUND_WEIGHT)
        elif bracket == "]" and self._square:
            self._close(self._square, SQUARE_WEIGHT)
        else:
            self._append_words(lexeme)

    def finish(self) -> list[WeightedSpans]:
        while self._round:
            self._close(self._round, ROUND_WEIGHT)
        while self._square:
            self._close(self._square, SQUARE_WEIGHT)
        if not self._spans:
            self._append(0, 0)
        pairs = zip(self._weights, self._spans, strict=True)
        return [
            WeightedSpans(tuple(span for _, span in run), bounded(weight))
            for weight, run in groupby(pairs, key=lambda pair: pair[0])
        ]

    def _close(self, opened: list[int], factor: float) -> None:
        start = opened.pop()
        if len(opened) < MAX_DEPTH:
            self._weights[start:] = [weight * factor for weight in self._weights[start:]]

    def _append(self, start: int, stop: int, weight: float = 1.0) -> None:
        self._spans.append(range(start, stop))
        self._weights.append(weight)

    def _append_words(self, lexeme: re.Match[str]) -> None:
        """Append the text; each word BREAK in it swallows the blanks around it and stands alone."""
        text, offset = lexeme.group(), lexeme.start()
        start = 0
        for word in _BREAK_WORD.finditer(text):
            before = text[start : word.start()].rstrip()
            self._append(offset + start, offset + start + len(before))
            self._append(offset + word.start(), offset + word.start() + len(BREAK), BREAK_WEIGHT)
            start = word.end()
        self._append(offset + start, lexeme.end())


def bounded(weight: float) -> float:
    """Return `weight`, at most `MAX_WEIGHT` away from 0; 0 for what is no number (infinity times 0)."""
    return 0.0 if math.isnan(weight) else max(-MAX_WEIGHT, min(weight, MAX_WEIGHT))


def attention_spans(text: str) -> list[WeightedSpans]:
    """Return where the stretches that `parse_attention` returns stand in `text`."""
    parser = _Parser()
    for lexeme in _LEXEME.finditer(text):
        parser.feed(lexeme)
    return parser.finish()


def parse_attention(text: str) -> list[WeightedText]:
    r"""Split `text` into stretches of equal weight.

    `(x)` weighs 1.1, `[x]` 1/1.1, `(x:1.3)` 1.3; nesting multiplies. `\(`, `\)`, `\[`, `\]` and `\\` are literal
    characters. Stray closing brackets and malformed weights are text, unclosed brackets reach to the end. BREAK within
    brackets is weighted like its neighbours and thereby becomes an ordinary word, as in A1111.

    Returns:
        At least one stretch; the empty text has weight 1. Never raises.
    """
    return [
        WeightedText("".join(text[span.start : span.stop] for span in spans), weight)
        for spans, weight in attention_spans(text)
    ]
