"""Learned factors of channels: ΔW = W ⊙ l."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape, Use, like


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ia3(Change):
    """(IA)³ (arXiv:2205.05638, section 3.3), with factors counted from 1 as LyCORIS keeps them.

    Attributes:
        factors: of the channels that come out [O], or of those that go in [I], minus 1.
        on_input: they are those that go in.
    """

    kind: ClassVar[str] = "(IA)³"
    marks: ClassVar[tuple[str, ...]] = ("on_input",)
    parts: ClassVar[tuple[str, ...]] = (*marks, "weight")

    factors: Tensor
    on_input: bool

    @classmethod
    def read(cls, parts: Parts) -> "Ia3":
        """Return the (IA)³ of one module.

        Raises:
            ValueError: its tensors are not complete.
        """
        factors, side = parts.get("weight"), parts.get("on_input")
        if factors is None or side is None or side.numel() != 1:
            raise ValueError("its weight or on_input is missing")
        return cls(factors=factors.flatten(), on_input=bool(side.item()))

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        return len(shape) > 1 and shape[1 if self.on_input else 0] == len(self.factors)

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return f"[…, {len(self.factors)}]" if self.on_input else f"[{len(self.factors)}, …]"

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        channels = (1, -1) if self.on_input else (-1, 1)
        factors = like(self.factors, weight).view(*channels, *(1 for _ in weight.shape[2:]))
        weight.mul_(1 + use.strength * factors)
