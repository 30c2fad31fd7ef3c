"""Differences of few numbers: ΔW is 0 but at some places."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape, Use, like


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sparse(Change):
    """What LyCORIS' extraction keeps of a difference beside its low rank (`bias_*`; arXiv:2309.14859).

    Attributes:
        places: integers [d, N]: where the numbers belong, in a weight of d dimensions.
        values: [N].
        shape: of the weight.
        scale: factor of the difference.
    """

    kind: ClassVar[str] = "a sparse difference"
    marks: ClassVar[tuple[str, ...]] = ("bias_indices", "bias_values", "bias_size")

    places: Tensor
    values: Tensor
    shape: Shape
    scale: float = 1.0

    @classmethod
    def read(cls, parts: Parts, scale: float) -> "Sparse":
        """Return the difference of one module.

        Raises:
            ValueError: its tensors are not complete, do not fit together, or point outside the weight.
        """
        places, values, size = (
            parts.need("bias_indices", 2).long(),
            parts.need("bias_values", 1),
            parts.need("bias_size", 1),
        )
        shape = tuple(int(number.item()) for number in size.unbind())
        if len(shape) != len(places) or places.shape[1] != len(values):
            raise ValueError("its sparse bias does not fit together")
        if bool(((places < 0) | (places >= size.long()[:, None])).any()):
            raise ValueError("its sparse bias points outside the weight")
        return cls(places=places, values=values, shape=shape, scale=scale)

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        return self.shape == shape

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return str(list(self.shape))

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        values = like(self.values, weight) * (use.strength * self.scale)
        weight.index_put_(tuple(self.places.to(weight.device)), values, accumulate=True)
