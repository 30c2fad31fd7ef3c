"""Prompts of any length as chunks of 75 tokens, which is what CLIP's text encoder reads at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from modules.core.settings import Emphasis
from modules.prompting.attention import BREAK, BREAK_WEIGHT, WeightedText, parse_attention
from modules.prompting.composition import split_composition
from modules.prompting.embeddings import EmbeddingMatch, EmbeddingNames
from modules.prompting.extra_networks import parse_networks
from modules.prompting.schedule import prompt_schedule
from modules.prompting.tokenizer import ClipTokenizer

CHUNK_TOKENS = 75
"""Tokens of the prompt in one chunk; with the start and the end token a chunk has 77."""

EMBEDDING_TOKEN = 0
"""Stands for each vector of an embedding."""


class EmbeddingFix(NamedTuple):
    """Where an embedding's vectors take the place of a chunk's token vectors.

    Attributes:
        offset: the first place, 0 being the first one after the start token.
        name: which embedding.
        vectors: how many places.
    """

    offset: int
    name: str
    vectors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptChunk:
    """One run of the text encoder.

    Attributes:
        tokens: 77 ids, from start token to end token, filled up with the padding token.
        multipliers: 77 weights, 1 where nothing is emphasised.
        fixes: embeddings, none reaching beyond the chunk.
    """

    tokens: tuple[int, ...]
    multipliers: tuple[float, ...]
    fixes: tuple[EmbeddingFix, ...] = ()


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

    @classmethod
    def of(cls, count: int) -> "TokenCount":
        """Return what is shown for so many tokens."""
        return cls(count=count, limit=max(1, -(-count // CHUNK_TOKENS)) * CHUNK_TOKENS)

    def __str__(self) -> str:
        return f"{self.count}/{self.limit}"


class Slot(NamedTuple):
    """A place of a chunk that is in use.

    Attributes:
        token: what the text encoder reads there.
        weight: how strongly it counts.
        source: numbers of the prompt's tokens it comes from: those of the whole name for a vector of an embedding.
        embedding: whose vector it stands for.
    """

    token: int
    weight: float
    source: range
    embedding: str | None


class FilledChunk(NamedTuple):
    """A chunk before it is filled up.

    Attributes:
        slots: at most 75.
        fixes: see `PromptChunk`.
        broken: BREAK ended it.
    """

    slots: tuple[Slot, ...]
    fixes: tuple[EmbeddingFix, ...]
    broken: bool


class ChunkFiller:
    """Fills chunks token by token the way A1111 does, so that its pictures come out the same."""

    def __init__(self, *, comma: int, backtrack: int, embeddings: EmbeddingNames | None = None) -> None:
        """Begin with an empty chunk; see `chunk_prompt`."""
        self._comma_id = comma
        self._backtrack = backtrack
        self._embeddings = embeddings
        self._chunks: list[FilledChunk] = []
        self._count = 0
        self._read = 0
        self._open: list[Slot] = []
        self._fixes: list[EmbeddingFix] = []
        self._comma: int | None = None

    def add(self, tokens: Sequence[int], weight: float) -> None:
        """Add tokens of equal weight. Names of embeddings are found within them."""
        place = 0
        while place < len(tokens):
            self._make_room(tokens[place])
            match = self._embeddings.at(tokens, place) if self._embeddings else None
            length = match.length if match else 1
            source = range(self._read, self._read + length)
            if match:
                self._add_embedding(match, weight, source)
            else:
                self._open.append(Slot(tokens[place], weight, source, None))
            self._read += length
            place += length

    def close(self, *, broken: bool = True) -> None:
        """End the chunk, although another one follows."""
        self._count += CHUNK_TOKENS
        self._store(broken=broken)

    def finish(self) -> tuple[list[FilledChunk], int]:
        """Return all chunks and the number of tokens, as A1111 counts."""
        if self._open or not self._chunks:
            self._count += len(self._open)
            self._store(broken=False)
        return self._chunks, self._count

    def _make_room(self, token: int) -> None:
        full = len(self._open) == CHUNK_TOKENS
        if token == self._comma_id:
            self._comma = len(self._open)
        elif full and self._comma is not None and CHUNK_TOKENS - self._comma <= self._backtrack:
            # Do not tear a phrase apart: what follows the last comma moves to the next chunk. As in A1111, the fixes of
            # embeddings stay: their vectors come before the padding of this chunk, and nothing comes into the next.
            moving = self._open[self._comma + 1 :]
            del self._open[self._comma + 1 :]
            self.close(broken=False)
            self._open = moving
            full = False
        if full:
            self.close(broken=False)

    def _add_embedding(self, match: EmbeddingMatch, weight: float, source: range) -> None:
        """Add an embedding in one piece; what is beyond a whole chunk is cut off."""
        vectors = min(match.vectors, CHUNK_TOKENS)
        if len(self._open) + vectors > CHUNK_TOKENS:
            self.close(broken=False)
        self._fixes.append(EmbeddingFix(offset=len(self._open), name=match.name, vectors=vectors))
        self._open.extend([Slot(EMBEDDING_TOKEN, weight, source, match.name)] * vectors)

    def _store(self, *, broken: bool) -> None:
        self._chunks.append(FilledChunk(slots=tuple(self._open), fixes=tuple(self._fixes), broken=broken))
        self._open, self._fixes = [], []
        self._comma = None


def chunk_prompt(
    text: str,
    tokenizer: ClipTokenizer,
    *,
    backtrack: int,
    emphasis: Emphasis = "Original",
    embeddings: EmbeddingNames | None = None,
) -> ChunkedPrompt:
    """Split `text` into chunks.

    Args:
        text: a prompt in the emphasis grammar; BREAK ends the chunk.
        tokenizer: the model's.
        backtrack: when a chunk is full and its last comma is at most so many tokens back, what follows that comma goes
            to the next chunk; 0 for never.
        emphasis: with "None" brackets are text and BREAK is a word.
        embeddings: names that stand for vectors instead of tokens.
    """
    pieces = [WeightedText(text, 1.0)] if emphasis == "None" else parse_attention(text)
    filler = ChunkFiller(comma=tokenizer.comma_id, backtrack=backtrack, embeddings=embeddings)
    for piece in pieces:
        if piece == (BREAK, BREAK_WEIGHT):
            filler.close()
        else:
            filler.add(tokenizer.encode(piece.text), piece.weight)
    filled, count = filler.finish()
    return ChunkedPrompt(
        chunks=tuple(fill_up(chunk.slots, chunk.fixes, tokenizer) for chunk in filled), token_count=count
    )


def fill_up(slots: Sequence[Slot], fixes: Sequence[EmbeddingFix], tokenizer: ClipTokenizer) -> PromptChunk:
    """Put what a chunk holds between its start token and its end token, and fill it up."""
    padding = CHUNK_TOKENS - len(slots)
    ids = (slot.token for slot in slots)
    weights = (slot.weight for slot in slots)
    return PromptChunk(
        tokens=(tokenizer.start_id, *ids, *[tokenizer.pad_id] * padding, tokenizer.end_id),
        multipliers=(1.0, *weights, *[1.0] * padding, 1.0),
        fixes=tuple(fixes),
    )


def count_tokens(
    text: str,
    tokenizer: ClipTokenizer,
    *,
    backtrack: int = 20,
    steps: int = 20,
    positive: bool = True,
    emphasis: Emphasis = "Original",
    embeddings: EmbeddingNames | None = None,
) -> TokenCount:
    """Return what the token counter shows for `text`: "8/75", "76/150".

    Tags of extra networks do not count. The longest of all texts that `text` becomes is counted: of its parts between
    ANDs, if it is a positive prompt, at each of `steps` steps.
    """
    plain, _ = parse_networks(text)
    parts = [part.text for part in split_composition(plain)] if positive else [plain]
    texts = {stage.text for part in parts for stage in prompt_schedule(part, steps)}
    chunked = (
        chunk_prompt(text, tokenizer, backtrack=backtrack, emphasis=emphasis, embeddings=embeddings) for text in texts
    )
    return TokenCount.of(max(prompt.token_count for prompt in chunked))
