"""How sure a measured share or a measured change is."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

NORMAL_95 = 1.959964  # two-sided


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """How many of how many.

    Attributes:
        hits: 0..`count`.
        count: there is a share only if it is at least 1.
    """

    hits: int
    count: int

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Self:
        """Count outcomes."""
        listed = list(outcomes)
        return cls(hits=sum(listed), count=len(listed))

    @property
    def share(self) -> float:
        """0..1."""
        return self.hits / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (J. Am. Stat. Assoc. 22, 1927), which stays within 0..1 also near its ends."""
        z2 = NORMAL_95**2
        middle = (self.share + z2 / (2 * self.count)) / (1 + z2 / self.count)
        spread = math.sqrt(self.share * (1 - self.share) / self.count + z2 / (4 * self.count**2))
        half = NORMAL_95 * spread / (1 + z2 / self.count)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.1%} ({low:.1%} to {high:.1%})"


def sign_test(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the two-sided p-value of the exact sign test: how likely chance alone moves so many pairs one way.

    Pairs that stay equal say nothing. Of yes-or-no values it is McNemar's exact test.

    Args:
        before: one value per pair.
        after: likewise.
    """
    rises = sum(b < a for b, a in zip(before, after, strict=True))
    falls = sum(b > a for b, a in zip(before, after, strict=True))
    moved = rises + falls
    tail = sum(math.comb(moved, fewer) for fewer in range(min(rises, falls) + 1)) / 2**moved
    return min(1.0, 2 * tail)
