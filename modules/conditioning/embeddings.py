"""Embeddings (arXiv:2208.01618) in texts: vectors that stand in place of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from modules.prompting.chunks import PromptChunk
from modules.prompting.embeddings import EmbeddingNames


class Embeddings(Protocol):
    """The embeddings that texts may name for one model."""

    def names(self, encoder: int) -> EmbeddingNames:
        """Return what finds them among the tokens of a text encoder, 0 for the first one."""
        ...

    def vectors(self, name: str, encoder: int) -> Tensor:
        """Return the vectors [V,D] of one of them for a text encoder, on any device."""
        ...


class PlacedVectors(NamedTuple):
    """Vectors in place of tokens.

    Attributes:
        place: of the first one in the chunk, 0 being the start token's.
        vectors: [V,D].
    """

    place: int
    vectors: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingUse:
    """Which embeddings texts name.

    Attributes:
        used: names of those that were used, for each text encoder, in the order in which it met them.
        unusable: names of those that could not be used with this model and were read as plain text.
    """

    used: tuple[tuple[str, ...], ...] = ()
    unusable: tuple[str, ...] = ()


def placed_vectors(chunk: PromptChunk, embeddings: Embeddings, encoder: int) -> list[PlacedVectors]:
    """Return what stands in place of a chunk's tokens when a text encoder reads it."""
    return [
        PlacedVectors(place=fix.offset + 1, vectors=embeddings.vectors(fix.name, encoder)[: fix.vectors])
        for fix in chunk.fixes
    ]


def embedding_use(encoders: Sequence[Sequence[Sequence[PromptChunk]]], embeddings: Embeddings) -> EmbeddingUse:
    """Return which embeddings texts name that are encoded together.

    Args:
        encoders: for each text encoder the chunks of each text, of all texts the same number.
        embeddings: those that there are.
    """
    used: list[tuple[str, ...]] = []
    unusable: list[str] = []
    for encoder, texts in enumerate(encoders):
        # As A1111 calls an encoder: with the first chunk of all texts, then with the second one.
        chunks = [chunk for together in zip(*texts, strict=True) for chunk in together]
        used.append(tuple(dict.fromkeys(fix.name for chunk in chunks for fix in chunk.fixes)))
        names = embeddings.names(encoder)
        unusable += [name for chunk in chunks for name in names.unusable(chunk.tokens)]
    return EmbeddingUse(used=tuple(used), unusable=tuple(dict.fromkeys(unusable)))
