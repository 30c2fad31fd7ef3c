"""Lints of a text that is encoded: weights, words that were meant to be BREAK, chunks that tear phrases apart."""

from collections.abc import Iterator
from itertools import groupby, pairwise

from modules.prompting.attention import BREAK
from modules.prompting.report import InspectedChunk, InspectedText, InspectedToken, Lint
from modules.prompting.written_lints import HIGHEST_USUAL_WEIGHT, shortened

LOWEST_USUAL_WEIGHT = 0.1
"""Below this, words usually do nothing, or what they are not expected to do."""


def token_lints(prompt: str, text: InspectedText) -> Iterator[Lint]:
    """Yield what is unusual about the tokens of a text.

    Args:
        prompt: the whole prompt as typed.
        text: one of those it becomes.
    """
    for chunk in text.chunks:
        yield from _weight_lints(prompt, chunk)
        yield from _break_lints(prompt, chunk)
        yield from _embedding_lints(chunk)
    for number, (chunk, following) in enumerate(pairwise(text.chunks), start=1):
        if not chunk.broken and chunk.tokens and following.tokens:
            yield from _border_lints(prompt, number, chunk.tokens[-1], following.tokens[0])


def _weight_lints(prompt: str, chunk: InspectedChunk) -> Iterator[Lint]:
    for weight, run in groupby(chunk.tokens, key=lambda token: token.weight):
        if not LOWEST_USUAL_WEIGHT <= weight <= HIGHEST_USUAL_WEIGHT:
            tokens = [token for token in run if not _is_break(prompt, token)]
            if not tokens:
                continue
            start, stop = tokens[0].start, tokens[-1].stop
            usual = f"usual weights lie from {LOWEST_USUAL_WEIGHT} to {HIGHEST_USUAL_WEIGHT}"
            message = f"“{shortened(prompt[start:stop])}” weighs {weight:.4g}; {usual}."
            yield Lint(start=start, stop=stop, rule="unusual-weight", message=message)


def _break_lints(prompt: str, chunk: InspectedChunk) -> Iterator[Lint]:
    for token in chunk.tokens:
        if _is_break(prompt, token):
            message = "This BREAK is a word and begins no chunk: it is in brackets, or emphasis is switched off."
            yield Lint(start=token.start, stop=token.stop, rule="break-as-word", message=message)


def _is_break(prompt: str, token: InspectedToken) -> bool:
    return token.piece == BREAK.lower() and prompt[token.start : token.stop] == BREAK


def _embedding_lints(chunk: InspectedChunk) -> Iterator[Lint]:
    placed = {(fix.name, fix.offset + i + 1) for fix in chunk.fixes for i in range(fix.vectors)}
    for token in chunk.tokens:
        if token.embedding and (token.embedding, token.position) not in placed:
            message = (
                f"“{token.embedding}” moves to the next chunk with what follows the last comma, and its vectors stay "
                "behind, as in A1111. Put a comma behind it, or BREAK before it."
            )
            yield Lint(start=token.start, stop=token.stop, rule="embedding-left-behind", message=message)


def _border_lints(prompt: str, number: int, last: InspectedToken, first: InspectedToken) -> Iterator[Lint]:
    """Look at the border behind chunk `number`."""
    if first.piece == ",":
        message = f"Chunk {number} is full before this comma, which begins the next one."
        yield Lint(start=first.start, stop=first.stop, rule="torn-comma", message=message)
    elif last.piece != ",":
        before, after = (shortened(prompt[token.start : token.stop]) for token in (last, first))
        message = f"Chunk {number} ends within a phrase, between “{before}” and “{after}”. BREAK can end it earlier."
        yield Lint(start=last.start, stop=first.stop, rule="torn-phrase", message=message)
