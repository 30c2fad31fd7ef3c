"""Differences kept whole: ΔW = diff."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from modules.adapters.kinds.base import Change, Shape, Use, columns, like


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Full(Change):
    """A difference of full rank ("full" and "norm" of LyCORIS, arXiv:2309.14859), of a weight or a bias.

    Attributes:
        difference: of the shape of what it changes.
        scale: factor of the difference.
    """

    kind: ClassVar[str] = "a full difference"

    difference: Tensor
    scale: float = 1.0

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`; a linear layer and a convolution of kernel 1 are the same."""
        made = tuple(self.difference.shape)
        return bool(made) and (made[0], columns(made)) == (shape[0], columns(shape))

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return str(list(self.difference.shape))

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        weight.add_(like(self.difference, weight).reshape(weight.shape), alpha=use.strength * self.scale)

    def rows(self, start: int, end: int) -> "Full":
        """See `Change.rows`."""
        return replace(self, difference=self.difference[start:end])
