"""Generalised LoRA: ΔW = W · A + B, both of low rank."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape, Use, columns, flat, like


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Glora(Change):
    """GLoRA (arXiv:2306.07967, without its terms for biases and prompts), as LyCORIS keeps it.

    Attributes:
        a_left: [I, r], of A = a_left · a_right.
        a_right: [r, I].
        b_left: [O, r], of B = b_left · b_right.
        b_right: [r, I] or [r, I, *k].
        scale: factor of the difference, mostly alpha / r.
    """

    kind: ClassVar[str] = "GLoRA"
    marks: ClassVar[tuple[str, ...]] = ("a1", "a2", "b1", "b2")
    parts: ClassVar[tuple[str, ...]] = marks

    a_left: Tensor
    a_right: Tensor
    b_left: Tensor
    b_right: Tensor
    scale: float = 1.0

    @classmethod
    def read(cls, parts: Parts) -> "Glora":
        """Return the GLoRA of one module.

        Older versions of LyCORIS called the right factors a1 and b1, newer ones the left factors. The shapes of square
        weights allow both; then the rank is the smaller number, and of equal numbers it is an old file, as all are for
        A1111.

        Raises:
            ValueError: its tensors are not complete, or do not fit together.
        """
        a1, a2, b1, b2 = (parts.need(name) for name in cls.marks)
        fitting = [factors for factors in ((a2, a1, b2, b1), (a1, a2, b1, b2)) if _fit_together(*factors)]
        if not fitting:
            raise ValueError("its a1, a2, b1 and b2 do not fit together")
        a_left, a_right, b_left, b_right = min(fitting, key=lambda factors: len(factors[1]) > len(factors[0]))
        return cls(
            a_left=flat(a_left),
            a_right=flat(a_right),
            b_left=flat(b_left),
            b_right=b_right,
            scale=parts.scale_for(len(a_right)),
        )

    def _shape(self) -> Shape:
        return (len(self.b_left), *self.b_right.shape[1:])

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`; a linear layer and a convolution of kernel 1 are the same."""
        made = self._shape()
        return made[:2] == shape[:2] and columns(made) == columns(shape)

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return str(list(self._shape()))

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        through = weight.movedim(1, -1) @ like(self.a_left, weight) @ like(self.a_right, weight)
        added = like(self.b_left, weight) @ like(flat(self.b_right), weight)
        weight.add_(through.movedim(-1, 1) + added.view(weight.shape), alpha=use.strength * self.scale)


def _fit_together(a_left: Tensor, a_right: Tensor, b_left: Tensor, b_right: Tensor) -> bool:
    into, rank = len(a_left), len(a_right)
    pointwise = all(columns(tuple(factor.shape)) == factor.shape[1] for factor in (a_left, a_right, b_left))
    ranks = {a_left.shape[1], b_left.shape[1], len(b_right)}
    return pointwise and ranks == {rank} and a_right.shape[1] == into == b_right.shape[1]
