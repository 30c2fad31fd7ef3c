"""Making prompts and negative prompts equally long, for the pictures of versions of A1111 that did so."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning

Equalise = Callable[[Conditioning, Conditioning], tuple[Conditioning, Conditioning]]
"""(prompts, negative prompts) → both, equally long."""


def with_empty_chunks(empty: Conditioning) -> Equalise:
    """Return a function that adds chunks of an empty text to the shorter ones (A1111's `pad_cond_uncond`).

    Args:
        empty: one chunk of an empty text [1,77,D].
    """

    def equalise(cond: Conditioning, uncond: Conditioning) -> tuple[Conditioning, Conditioning]:
        longest = max(cond.cross_attention.shape[1], uncond.cross_attention.shape[1])
        return _filled(cond, longest, empty.cross_attention), _filled(uncond, longest, empty.cross_attention)

    return equalise


def _filled(one: Conditioning, length: int, chunk: Tensor) -> Conditioning:
    tokens = one.cross_attention
    missing = (length - tokens.shape[1]) // chunk.shape[1]
    return replace(one, cross_attention=torch.cat((tokens, chunk.repeat(len(tokens), missing, 1)), dim=1))


def like_the_prompt(cond: Conditioning, uncond: Conditioning) -> tuple[Conditioning, Conditioning]:
    """Repeat the last vector of negative prompts that are shorter than the prompts, and cut longer ones.

    This is what A1111 before 1.6 did for DDIM and PLMS (`pad_cond_uncond_v0`).
    """
    length, tokens = cond.cross_attention.shape[1], uncond.cross_attention
    missing = max(0, length - tokens.shape[1])
    filled = torch.cat((tokens, tokens[:, -1:].expand(-1, missing, -1)), dim=1)[:, :length]
    return cond, replace(uncond, cross_attention=filled)
