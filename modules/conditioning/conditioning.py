"""What a network is told about the pictures it makes."""

from dataclasses import dataclass
from math import lcm

import torch
from torch import Tensor

MAX_REPEATED_TOKENS = 8 * 77
"""The longest sequence that is made by repeating; pairs that need a longer one take two calls."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditioning:
    """Conditioning of a batch.

    Attributes:
        cross_attention: [B,T,D]: T token vectors per picture, a multiple of 77.
    """

    cross_attention: Tensor

    def repeated(self, times: int) -> "Conditioning":
        """Return the conditioning of `times` as many pictures: all of them again and again."""
        return Conditioning(cross_attention=self.cross_attention.repeat(times, 1, 1))

    def join(self, other: "Conditioning") -> "Conditioning | None":
        """Return both as one conditioning of all their pictures, self first, or None if it became too long.

        Unequal lengths are made equal by repeating the whole sequence: softmax attention over every token n times is
        the attention over every token once, so the network's output is that of separate calls.
        """
        mine, theirs = self.cross_attention, other.cross_attention
        length = lcm(mine.shape[1], theirs.shape[1])
        if mine.shape[1] != theirs.shape[1] and length > MAX_REPEATED_TOKENS:
            return None
        return Conditioning(cross_attention=torch.cat((_lengthened(mine, length), _lengthened(theirs, length))))


def _lengthened(tokens: Tensor, length: int) -> Tensor:
    return tokens.repeat(1, length // tokens.shape[1], 1)


def stack_texts(texts: list[Tensor]) -> Tensor:
    """Stack token vectors [T_i,D] of several texts to [B,T,D], T the longest.

    Shorter texts are filled up with their last vector, as A1111 does for prompts of unequal chunk counts.
    """
    longest = max(len(text) for text in texts)
    return torch.stack([torch.cat((text, text[-1:].expand(longest - len(text), -1))) for text in texts])
