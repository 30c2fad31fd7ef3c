"""From texts to conditioning."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning, stack_texts
from modules.prompting.chunks import ChunkedPrompt, chunk_prompt
from modules.prompting.tokenizer import ClipTokenizer

CHUNKS_AT_ONCE = 16
"""Chunks per call of the text encoder; bounds the memory that a prompt of thousands of words takes."""


class TextEncoder(Protocol):
    """A model's text encoder with its tokenizer."""

    @property
    def tokenizer(self) -> ClipTokenizer:
        """The tokenizer it was trained with."""
        ...

    def encode(self, tokens: Tensor, clip_skip: int) -> Tensor:
        """Return token vectors [N,77,D], on the device that computes.

        Args:
            tokens: int64 [N,77], on the CPU.
            clip_skip: 1 for the last layer, n for the n-th from the end; the final layer norm follows in any case.
        """
        ...


def encode_prompts(encoder: TextEncoder, texts: Sequence[str], *, clip_skip: int, backtrack: int) -> Conditioning:
    """Encode one text per picture.

    Each text is encoded on its own, so a picture does not depend on its neighbours' prompts; equal texts are encoded
    once.

    Args:
        encoder: the model's.
        texts: prompts, or negative prompts, in the emphasis grammar.
        clip_skip: see `TextEncoder.encode`.
        backtrack: see `chunk_prompt`.
    """
    encoded: dict[str, Tensor] = {}
    for text in texts:
        if text not in encoded:
            chunked = chunk_prompt(text, encoder.tokenizer, backtrack=backtrack)
            encoded[text] = _encode_chunks(encoder, chunked, clip_skip)
    return Conditioning(cross_attention=stack_texts([encoded[text] for text in texts]))


def _encode_chunks(encoder: TextEncoder, chunked: ChunkedPrompt, clip_skip: int) -> Tensor:
    """Return the token vectors [77·N,D] of a text of N chunks, emphasis applied to each chunk by itself."""
    done: list[Tensor] = []
    for start in range(0, len(chunked.chunks), CHUNKS_AT_ONCE):
        chunks = chunked.chunks[start : start + CHUNKS_AT_ONCE]
        vectors = encoder.encode(torch.tensor([chunk.tokens for chunk in chunks]), clip_skip)
        multipliers = torch.tensor([chunk.multipliers for chunk in chunks]).to(vectors.device)
        done += [emphasised(vectors[i : i + 1], multipliers[i : i + 1]) for i in range(len(chunks))]
    return torch.cat(done).flatten(0, 1)


def emphasised(z: Tensor, multipliers: Tensor) -> Tensor:
    """Weight token vectors, then scale them all so that their mean is what it was (A1111's emphasis "Original").

    Args:
        z: [N,77,D].
        multipliers: [N,77].

    Returns:
        [N,77,D] in z's dtype; computed in float32, since sums of half-precision numbers are coarse.
    """
    vectors = z.float()
    weighted = vectors * multipliers[:, :, None]
    return (weighted * (vectors.mean() / weighted.mean())).to(z.dtype)
