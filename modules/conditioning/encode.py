"""From texts to conditioning."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning, stack_texts
from modules.core.cancellation import CancelToken
from modules.prompting.chunks import PromptChunk, chunk_prompt
from modules.prompting.schedule import PromptStage
from modules.prompting.tokenizer import ClipTokenizer
from modules.sampling.timeline import Timeline

Chunks = tuple[PromptChunk, ...]

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
            chunks = chunk_prompt(text, encoder.tokenizer, backtrack=backtrack).chunks
            encoded[text] = _encode_together(encoder, [chunks], [1], clip_skip=clip_skip, token=CancelToken())[0]
    return Conditioning(cross_attention=stack_texts([encoded[text] for text in texts]))


def encode_schedule(
    encoder: TextEncoder,
    schedule: Sequence[PromptStage],
    *,
    clip_skip: int,
    backtrack: int,
    token: CancelToken,
) -> Timeline[Conditioning]:
    """Encode a prompt that changes while one picture is made; equal texts are encoded once.

    As in A1111, a stage until step N holds for the model calls 0 to N, one more than N, and all stages get as many
    chunks as the longest one: the others are filled up with empty chunks.

    Args:
        encoder: the model's.
        schedule: the stages of a prompt, or of a negative prompt, at least one.
        clip_skip: see `TextEncoder.encode`.
        backtrack: see `chunk_prompt`.
        token: checked before every call of the text encoder.

    Raises:
        Interrupted: the job was asked to stop.
    """
    counts = Counter(stage.text for stage in schedule)
    chunked: list[Chunks] = []
    for text in counts:
        token.check_interrupted()
        chunked.append(chunk_prompt(text, encoder.tokenizer, backtrack=backtrack).chunks)
    empty = chunk_prompt("", encoder.tokenizer, backtrack=backtrack).chunks
    longest = max(len(chunks) for chunks in chunked)
    filled = [(*chunks, *empty * (longest - len(chunks))) for chunks in chunked]
    vectors = _encode_together(encoder, filled, list(counts.values()), clip_skip=clip_skip, token=token)
    encoded = {text: Conditioning(cross_attention=vectors[i : i + 1]) for i, text in enumerate(counts)}
    return Timeline(
        ends=tuple(stage.until for stage in schedule), values=tuple(encoded[stage.text] for stage in schedule)
    )


def _encode_together(
    encoder: TextEncoder, texts: Sequence[Chunks], counts: Sequence[int], *, clip_skip: int, token: CancelToken
) -> Tensor:
    """Return the token vectors [V,77·N,D] of V texts of N chunks each.

    Emphasis is applied to each chunk by itself, but to that of all texts at once; each text counts `counts` times.
    """
    chunks = [chunk for text in texts for chunk in text]
    portions: list[Tensor] = []
    for start in range(0, len(chunks), CHUNKS_AT_ONCE):
        token.check_interrupted()
        tokens = [chunk.tokens for chunk in chunks[start : start + CHUNKS_AT_ONCE]]
        portions.append(encoder.encode(torch.tensor(tokens), clip_skip))
    together = torch.cat(portions)
    vectors = together.view(len(texts), -1, *together.shape[1:])
    multipliers = torch.tensor([[chunk.multipliers for chunk in text] for text in texts], device=vectors.device)
    weights = torch.tensor(counts, dtype=torch.float32, device=vectors.device)
    for i in range(vectors.shape[1]):
        vectors[:, i] = emphasised(vectors[:, i], multipliers[:, i], weights)
    return vectors.flatten(1, 2)


def emphasised(z: Tensor, multipliers: Tensor, counts: Tensor) -> Tensor:
    """Weight token vectors, then scale them all so that their mean is what it was (A1111's emphasis "Original").

    Args:
        z: [N,77,D], the same chunk of N texts that take turns in one prompt.
        multipliers: [N,77].
        counts: [N], how often each text counts in the means.

    Returns:
        [N,77,D] in z's dtype; computed in float32, since sums of half-precision numbers are coarse.
    """
    vectors = z.float()
    weighted = vectors * multipliers[:, :, None]
    before, after = ((tensor.mean((1, 2)) * counts).sum() for tensor in (vectors, weighted))
    return (weighted * (before / after)).to(z.dtype)
