"""Low-rank Kronecker product: ΔW = W₁ ⊗ W₂."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape, Use, columns, split
from modules.adapters.kinds.factor import Factor, factor_rank, factor_shape, multiplied, read_factor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lokr(Change):
    """LoKr of LyCORIS (arXiv:2309.14859), after KronA (arXiv:2212.10650).

    Attributes:
        first: [a, c].
        second: [b, d · k] or [b, d, *k], for a weight [a · b, c · d, *k].
        scale: factor of the difference; 1 if both factors are kept whole.
    """

    kind: ClassVar[str] = "LoKr"
    marks: ClassVar[tuple[str, ...]] = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b")
    parts: ClassVar[tuple[str, ...]] = (*marks, "lokr_t2")

    first: Factor
    second: Factor
    scale: float = 1.0

    @classmethod
    def read(cls, parts: Parts) -> "Lokr":
        """Return the LoKr of one module.

        Raises:
            ValueError: its tensors are not complete, or do not fit together.
        """
        first = read_factor(parts, whole="lokr_w1", a="lokr_w1_a", b="lokr_w1_b", core=None)
        second = read_factor(parts, whole="lokr_w2", a="lokr_w2_a", b="lokr_w2_b", core="lokr_t2")
        if len(factor_shape(first)) != 2:
            raise ValueError(f"its lokr_w1 has the shape {list(factor_shape(first))}")
        # Both may be decomposed; their ranks are the same then.
        return cls(first=first, second=second, scale=parts.scale_for(factor_rank(second) or factor_rank(first)))

    def _shape(self) -> Shape:
        (a, c), (b, d, *kernel) = factor_shape(self.first), factor_shape(self.second)
        return (a * b, c * d, *kernel)

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        made = self._shape()
        same = (made[0], columns(made)) == (shape[0], columns(shape))
        return same and len(shape) > 1 and shape[1] % factor_shape(self.first)[1] == 0

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return str(list(self._shape()))

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        first, second = multiplied(self.first, weight), multiplied(self.second, weight)
        (a, c), b = first.shape, len(second)
        # Row i · b + j and column k · d + l of the weight is first[i, k] · second[j, l].
        cells = split(split(weight, 1, c, -1), 0, a, b)
        second = second.view(1, b, 1, *cells.shape[3:])
        cells.addcmul_(first.view(a, 1, c, *(1 for _ in cells.shape[3:])), second, value=use.strength * self.scale)
