"""What a network is told about the pictures it makes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import lcm

import torch
from torch import Tensor

MAX_REPEATED_TOKENS = 8 * 77
"""The longest sequence that is made by repeating; pairs that need a longer one take two calls."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditioning:
    """Conditioning of a batch. All conditionings of one model have the same parts.

    Attributes:
        cross_attention: [B,T,D]: T token vectors per picture, a multiple of 77.
        vector: [B,V]: what is added to the timestep's embedding; None for models that are told by tokens alone.
        concat: [B,E,h,w]: channels beside those of the latents, at the latents' size; None for models without.
    """

    cross_attention: Tensor
    vector: Tensor | None = None
    concat: Tensor | None = None

    def with_concat(self, concat: Tensor) -> "Conditioning":
        """Return the same with `concat` [1 or B,E,h,w] as the channels beside the latents."""
        return replace(self, concat=concat.expand(len(self.cross_attention), -1, -1, -1))

    def join(self, other: "Conditioning") -> "Conditioning | None":
        """Return both as one conditioning of all their pictures, self first, or None if it became too long.

        Unequal lengths are made equal by repeating the whole sequence: softmax attention over every token n times is
        the attention over every token once, so the network's output is that of separate calls.
        """
        mine, theirs = self.cross_attention, other.cross_attention
        length = lcm(mine.shape[1], theirs.shape[1])
        if mine.shape[1] != theirs.shape[1] and length > MAX_REPEATED_TOKENS:
            return None
        return Conditioning(
            cross_attention=torch.cat((_lengthened(mine, length), _lengthened(theirs, length))),
            vector=_cat([self.vector, other.vector]),
            concat=_cat([self.concat, other.concat]),
        )


def stack(conditionings: Sequence[Conditioning]) -> Conditioning:
    """Return conditionings of one model as one of all their pictures, in order.

    Shorter texts are filled up with their last vector, as A1111 does for prompts of unequal chunk counts.
    """
    texts = [text for one in conditionings for text in one.cross_attention]
    longest = max(len(text) for text in texts)
    filled = [torch.cat((text, text[-1:].expand(longest - len(text), -1))) for text in texts]
    return Conditioning(
        cross_attention=torch.stack(filled),
        vector=_cat([one.vector for one in conditionings]),
        concat=_cat([one.concat for one in conditionings]),
    )


def _lengthened(tokens: Tensor, length: int) -> Tensor:
    return tokens.repeat(1, length // tokens.shape[1], 1)


def _cat(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    if not there:
        return None
    if len(there) != len(parts):
        raise ValueError("conditionings of different kinds of models do not go together")
    return torch.cat(there)
