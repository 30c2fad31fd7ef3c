"""Low-rank Hadamard product: ΔW = (A₁ · B₁) ⊙ (A₂ · B₂)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape, Use, columns
from modules.adapters.kinds.factor import Factor, factor_rank, factor_shape, multiplied, read_factor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loha(Change):
    """LoHa of LyCORIS (arXiv:2309.14859), after FedPara (arXiv:2108.06098).

    Attributes:
        first: [O, I · k], or [O, I, *k] with a core.
        second: of the same shape.
        scale: factor of the difference, mostly alpha / r.
    """

    kind: ClassVar[str] = "LoHa"
    marks: ClassVar[tuple[str, ...]] = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    parts: ClassVar[tuple[str, ...]] = (*marks, "hada_t1", "hada_t2")

    first: Factor
    second: Factor
    scale: float = 1.0

    @classmethod
    def read(cls, parts: Parts) -> "Loha":
        """Return the LoHa of one module.

        Raises:
            ValueError: its tensors are not complete, or do not fit together.
        """
        first, second = (
            read_factor(parts, whole=None, a=f"hada_w{n}_a", b=f"hada_w{n}_b", core=f"hada_t{n}") for n in (1, 2)
        )
        if factor_shape(first) != factor_shape(second):
            raise ValueError("its two factors have different shapes")
        return cls(first=first, second=second, scale=parts.scale_for(factor_rank(first)))

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        made = factor_shape(self.first)
        return (made[0], columns(made)) == (shape[0], columns(shape))

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return str(list(factor_shape(self.first)))

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        first, second = (multiplied(factor, weight).view(weight.shape) for factor in (self.first, self.second))
        weight.addcmul_(first, second, value=use.strength * self.scale)
