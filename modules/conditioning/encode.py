"""From texts to conditioning."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.embeddings import Embeddings, EmbeddingUse, PlacedVectors, embedding_use, placed_vectors
from modules.conditioning.emphasis import emphasised
from modules.core.cancellation import CancelToken
from modules.core.settings import Emphasis
from modules.prompting.chunks import PromptChunk, chunk_prompt
from modules.prompting.embeddings import EmbeddingNames
from modules.prompting.old_emphasis import chunk_prompt_old
from modules.prompting.schedule import PromptStage
from modules.prompting.tokenizer import ClipTokenizer
from modules.sampling.timeline import Timeline

Chunks = tuple[PromptChunk, ...]

CHUNKS_AT_ONCE = 16
"""Chunks per call of a text encoder; bounds the memory that a prompt of thousands of words takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """How texts are read.

    Attributes:
        clip_skip: see `TextEncoder.encode`.
        optional_clip_skip: likewise.
        backtrack: see `chunk_prompt`.
        emphasis: see `emphasised`.
        old_emphasis: read emphasis as `chunk_prompt_old`.
    """

    clip_skip: int = 1
    optional_clip_skip: bool = False
    backtrack: int = 20
    emphasis: Emphasis = "Original"
    old_emphasis: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """What some families are told about a picture beside its prompt.

    Attributes:
        width: px, of the pass that is sampled.
        height: px.
        crop_top: px that an imagined original loses at its top.
        crop_left: px at its left.
        aesthetic_score: how beautiful the picture is to be, 0..10.
        negative_aesthetic_score: how beautiful is what it keeps away from, 0..10.
    """

    width: int
    height: int
    crop_top: int = 0
    crop_left: int = 0
    aesthetic_score: float = 6.0
    negative_aesthetic_score: float = 2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedChunks:
    """What one text encoder makes of N chunks.

    Attributes:
        vectors: [N,77,D], one for each token.
        pooled: [N,P], one for each chunk as a whole; None from an encoder that makes none.
    """

    vectors: Tensor
    pooled: Tensor | None = None


class TextEncoder(Protocol):
    """One text encoder of a model, with its tokenizer."""

    @property
    def module(self) -> nn.Module:
        """The network."""
        ...

    @property
    def tokenizer(self) -> ClipTokenizer:
        """The tokenizer it was trained with."""
        ...

    @property
    def width(self) -> int:
        """How many numbers the vectors have that its first layer reads."""
        ...

    @property
    def embedding_key(self) -> str:
        """What files of embeddings with vectors for several text encoders call it."""
        ...

    def encode(
        self,
        tokens: Tensor,
        clip_skip: int,
        *,
        optional: bool = False,
        placed: Sequence[Sequence[PlacedVectors]] = (),
    ) -> EncodedChunks:
        """Encode chunks, on the device that computes.

        Args:
            tokens: int64 [N,77], on the CPU.
            clip_skip: 1 for the last layer, n for the n-th from the end; families that were trained with one certain
                layer pay no attention to it.
            optional: those of them that let people choose nevertheless pay attention to it.
            placed: vectors that stand in place of tokens, for each chunk; empty if no chunk has any.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedText:
    """What a model's text encoders make of one text, whatever the picture's size.

    Attributes:
        vectors: [1,T,D], the encoders' vectors side by side.
        pooled: [1,P], of the first chunk; None where no encoder makes one.
        empty: neither this text nor one that takes turns with it says anything.
        embeddings: which of them this text names, or one that takes turns with it.
    """

    vectors: Tensor
    pooled: Tensor | None
    empty: bool
    embeddings: EmbeddingUse = field(default_factory=EmbeddingUse)

    def silenced(self) -> "EncodedText":
        """Return the same with zeros in place of every number."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return replace(self, vectors=torch.zeros_like(self.vectors), pooled=pooled)


class Condition(Protocol):
    """How a family tells its network about a text and a picture."""

    def __call__(self, text: EncodedText, picture: PictureFacts, *, negative: bool) -> Conditioning:
        """Return the conditioning of one picture; `negative` for its negative prompt."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEncoder:
    """All text encoders of a model, and how what they say becomes conditioning.

    Attributes:
        encoders: at least one.
        condition: the family's.
    """

    encoders: tuple[TextEncoder, ...]
    condition: Condition


def encode_texts(
    encoder: PromptEncoder,
    schedule: Sequence[PromptStage],
    options: TextOptions,
    *,
    token: CancelToken,
    embeddings: Embeddings | None = None,
) -> Timeline[EncodedText]:
    """Run the text encoders on a prompt that changes while one picture is made; equal texts are encoded once.

    As in A1111, a stage until step N holds for the model calls 0 to N, one more than N, and all stages get as many
    chunks as the longest one: the others are filled up with empty chunks. The result is good for pictures of any size.

    Args:
        encoder: the model's.
        schedule: the stages of a prompt, or of a negative prompt, at least one.
        options: how its texts are read.
        token: checked before every call of a text encoder.
        embeddings: those that the texts may name.

    Raises:
        Interrupted: the job was asked to stop.
    """
    counts = Counter(stage.text for stage in schedule)
    readers = [
        _Reader(one.tokenizer, options, embeddings.names(number) if embeddings else None)
        for number, one in enumerate(encoder.encoders)
    ]
    chunked = [reader.read(list(counts), token) for reader in readers]
    longest = max(len(chunks) for texts in chunked for chunks in texts)
    filled = [reader.filled_up(texts, longest) for reader, texts in zip(readers, chunked, strict=True)]
    use = embedding_use(filled, embeddings) if embeddings else EmbeddingUse()
    parts = [
        _encode_together(_Encoding(one, number, options, embeddings), filled[number], list(counts.values()), token)
        for number, one in enumerate(encoder.encoders)
    ]
    vectors = torch.cat([part.vectors for part in parts], dim=2)
    pooled = [part.pooled for part in parts if part.pooled is not None]
    encoded = {
        text: EncodedText(
            vectors=vectors[i : i + 1],
            pooled=torch.cat([one[i : i + 1] for one in pooled], dim=1) if pooled else None,
            empty=not any(counts),
            embeddings=use,
        )
        for i, text in enumerate(counts)
    }
    return Timeline(
        ends=tuple(stage.until for stage in schedule), values=tuple(encoded[stage.text] for stage in schedule)
    )


def condition_texts(
    encoder: PromptEncoder, texts: Timeline[EncodedText], *, picture: PictureFacts, negative: bool
) -> Timeline[Conditioning]:
    """Return what the network is told about `picture` by texts that take turns; equal texts share a conditioning."""
    told = {text: encoder.condition(text, picture, negative=negative) for text in texts.values}
    return Timeline(ends=texts.ends, values=tuple(told[text] for text in texts.values))


class _Reader:
    """Reads texts for one text encoder."""

    def __init__(self, tokenizer: ClipTokenizer, options: TextOptions, embeddings: EmbeddingNames | None) -> None:
        self._tokenizer = tokenizer
        self._options = options
        self._embeddings = embeddings

    def read(self, texts: Sequence[str], token: CancelToken) -> list[Chunks]:
        chunked: list[Chunks] = []
        for text in texts:
            token.check_interrupted()
            chunked.append(self._chunks(text))
        return chunked

    def filled_up(self, texts: Sequence[Chunks], count: int) -> list[Chunks]:
        blank = self._chunks("")
        return [(*chunks, *blank * (count - len(chunks))) for chunks in texts]

    def _chunks(self, text: str) -> Chunks:
        emphasis, embeddings = self._options.emphasis, self._embeddings
        if self._options.old_emphasis:
            return chunk_prompt_old(text, self._tokenizer, emphasis=emphasis, embeddings=embeddings).chunks
        backtrack = self._options.backtrack
        return chunk_prompt(text, self._tokenizer, backtrack=backtrack, emphasis=emphasis, embeddings=embeddings).chunks


@dataclass(frozen=True, slots=True)
class _Encoding:
    """How one text encoder encodes chunks."""

    encoder: TextEncoder
    number: int
    options: TextOptions
    embeddings: Embeddings | None

    def __call__(self, chunks: Sequence[PromptChunk]) -> EncodedChunks:
        embeddings = self.embeddings
        return self.encoder.encode(
            torch.tensor([chunk.tokens for chunk in chunks]),
            self.options.clip_skip,
            optional=self.options.optional_clip_skip,
            placed=[placed_vectors(chunk, embeddings, self.number) for chunk in chunks] if embeddings else (),
        )


def _encode_together(
    encode: _Encoding, texts: Sequence[Chunks], counts: Sequence[int], token: CancelToken
) -> EncodedChunks:
    """Return the token vectors [V,77·N,D] of V texts of N chunks each, and what is pooled [V,P] from the first chunks.

    Emphasis is applied to each chunk by itself, but to that of all texts at once; each text counts `counts` times.
    """
    chunks = [chunk for text in texts for chunk in text]
    portions: list[EncodedChunks] = []
    for start in range(0, len(chunks), CHUNKS_AT_ONCE):
        token.check_interrupted()
        portions.append(encode(chunks[start : start + CHUNKS_AT_ONCE]))
    together = torch.cat([portion.vectors for portion in portions])
    vectors = together.view(len(texts), -1, *together.shape[1:])
    multipliers = torch.tensor([[chunk.multipliers for chunk in text] for text in texts], device=vectors.device)
    weights = torch.tensor(counts, dtype=torch.float32, device=vectors.device)
    for i in range(vectors.shape[1]):
        vectors[:, i] = emphasised(vectors[:, i], multipliers[:, i], weights, encode.options.emphasis)
    pooled = [portion.pooled for portion in portions if portion.pooled is not None]
    return EncodedChunks(
        vectors=vectors.flatten(1, 2), pooled=torch.cat(pooled)[:: vectors.shape[1]] if pooled else None
    )
