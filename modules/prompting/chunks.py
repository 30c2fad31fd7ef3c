"""Prompts of any length as chunks of 75 tokens, which is what CLIP's text encoder reads at once."""

from dataclasses import dataclass

from modules.prompting.attention import BREAK, BREAK_WEIGHT, parse_attention
from modules.prompting.schedule import prompt_schedule
from modules.prompting.tokenizer import ClipTokenizer

CHUNK_TOKENS = 75
"""Tokens of the prompt in one chunk; with the start and the end token a chunk has 77."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptChunk:
    """One run of the text encoder.

    Attributes:
        tokens: 77 ids, from start token to end token, filled up with the padding token.
        multipliers: 77 weights, 1 where nothing is emphasised.
    """

    tokens: tuple[int, ...]
    multipliers: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkedPrompt:
    """A prompt in chunks.

    Attributes:
        chunks: at least one; the empty prompt is one chunk of padding.
        token_count: as A1111 counts: a chunk that another one follows counts 75, however many tokens it has.
    """

    chunks: tuple[PromptChunk, ...]
    token_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """What the token counter beside a prompt shows.

    Attributes:
        count: tokens used.
        limit: tokens that fit into the chunks begun, a multiple of 75.
    """

    count: int
    limit: int

    def __str__(self) -> str:
        return f"{self.count}/{self.limit}"


class _Chunker:
    """Fills chunks token by token."""

    def __init__(self, tokenizer: ClipTokenizer, backtrack: int) -> None:
        self._tokenizer = tokenizer
        self._backtrack = backtrack
        self._chunks: list[PromptChunk] = []
        self._count = 0
        self._open: list[tuple[int, float]] = []
        self._comma: int | None = None

    def add(self, token: int, weight: float) -> None:
        full = len(self._open) == CHUNK_TOKENS
        if token == self._tokenizer.comma_id:
            self._comma = len(self._open)
        elif full and self._comma is not None and CHUNK_TOKENS - self._comma <= self._backtrack:
            # Do not tear a phrase apart: what follows the last comma moves to the next chunk.
            moving = self._open[self._comma + 1 :]
            del self._open[self._comma + 1 :]
            self.close()
            self._open = moving
            full = False
        if full:
            self.close()
        self._open.append((token, weight))

    def close(self) -> None:
        """End the chunk, although another one follows."""
        self._count += CHUNK_TOKENS
        self._store()

    def finish(self) -> ChunkedPrompt:
        if self._open or not self._chunks:
            self._count += len(self._open)
            self._store()
        return ChunkedPrompt(chunks=tuple(self._chunks), token_count=self._count)

    def _store(self) -> None:
        names = self._tokenizer
        padding = CHUNK_TOKENS - len(self._open)
        tokens = (names.start_id, *(token for token, _ in self._open), *[names.pad_id] * padding, names.end_id)
        multipliers = (1.0, *(weight for _, weight in self._open), *[1.0] * padding, 1.0)
        self._chunks.append(PromptChunk(tokens=tokens, multipliers=multipliers))
        self._open = []
        self._comma = None


def chunk_prompt(text: str, tokenizer: ClipTokenizer, *, backtrack: int) -> ChunkedPrompt:
    """Split `text` into chunks the way A1111 does, so that its pictures come out the same.

    Args:
        text: a prompt in the emphasis grammar; BREAK ends the chunk.
        tokenizer: the model's.
        backtrack: when a chunk is full and its last comma is at most so many tokens back, what follows that comma goes
            to the next chunk; 0 for never.
    """
    chunker = _Chunker(tokenizer, backtrack)
    for piece in parse_attention(text):
        if piece == (BREAK, BREAK_WEIGHT):
            chunker.close()
            continue
        for token in tokenizer.encode(piece.text):
            chunker.add(token, piece.weight)
    return chunker.finish()


def count_tokens(text: str, tokenizer: ClipTokenizer, *, backtrack: int = 20, steps: int = 20) -> TokenCount:
    """Return what the token counter shows for `text`: "8/75", "76/150".

    If `text` changes while a picture is made in `steps` steps, its longest stage is counted.
    """
    texts = {stage.text for stage in prompt_schedule(text, steps)}
    count = max(chunk_prompt(text, tokenizer, backtrack=backtrack).token_count for text in texts)
    chunks_begun = max(1, -(-count // CHUNK_TOKENS))
    return TokenCount(count=count, limit=chunks_begun * CHUNK_TOKENS)
