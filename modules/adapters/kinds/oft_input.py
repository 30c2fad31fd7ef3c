"""Orthogonal finetuning of the numbers that go in: W' = W · Rᵀ."""

from dataclasses import dataclass
from math import isqrt
from typing import ClassVar

import torch
from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape, Use, columns, like, split
from modules.adapters.kinds.oft import cayley


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OftInput(Change):
    """OFT (arXiv:2306.07280) as PEFT and OneTrainer keep it (OFTv2, arXiv:2506.19847).

    Attributes:
        upper: [n, b · (b − 1) / 2], what lies above the diagonal of n antisymmetric matrices Q, row by row; of one that
            all blocks share if n is 1.
        neumann_terms: how many terms of a Neumann series stand for the inverse in R = (1 + Q)(1 − Q)⁻¹; None for
            R = (1 − Q)(1 + Q)⁻¹ itself, which PEFT takes then.
    """

    kind: ClassVar[str] = "OFT"
    marks: ClassVar[tuple[str, ...]] = ("oft_R",)
    parts: ClassVar[tuple[str, ...]] = marks

    upper: Tensor
    neumann_terms: int | None

    @classmethod
    def read(cls, parts: Parts) -> "OftInput":
        """Return the OFT of one module.

        Raises:
            ValueError: its tensor has an impossible shape.
        """
        upper = parts.need("oft_R", 2)
        size = _block_size(upper)
        if size * (size - 1) // 2 != upper.shape[1]:
            raise ValueError(f"its oft_R has the shape {list(upper.shape)}")
        return cls(upper=upper, neumann_terms=parts.neumann_terms)

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        count, rest = divmod(columns(shape), _block_size(self.upper))
        return len(shape) > 1 and rest == 0 and len(self.upper) in {1, count}

    def made_for(self) -> str:
        """See `Change.made_for`."""
        size = _block_size(self.upper)
        return f"[…, n · {size}]" if len(self.upper) == 1 else f"[…, {len(self.upper) * size}]"

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        upper = like(self.upper, weight)
        size = _block_size(upper)
        matrices = upper.new_zeros(len(upper), size, size)
        row, column = torch.triu_indices(size, size, 1, device=upper.device)
        matrices[:, row, column] = upper
        matrices = matrices - matrices.transpose(1, 2)
        terms = self.neumann_terms
        rotations = cayley(-matrices) if terms is None else _series(matrices, terms)
        cells = split(weight.flatten(1), 1, -1, size)
        turned = torch.einsum("onc,nkc->onk", cells, rotations.expand(cells.shape[1], -1, -1))
        weight.lerp_(turned.reshape(weight.shape), use.strength)


def _block_size(upper: Tensor) -> int:
    return (1 + isqrt(1 + 8 * upper.shape[1])) // 2


def _series(matrices: Tensor, terms: int) -> Tensor:
    """Return (1 + Q)(1 + Q + Q² + …), cut off as PEFT does it: 1 + 2Q + 2Q² + 2Q³ + Q⁴ for its usual five terms."""
    total = torch.eye(matrices.shape[-1], device=matrices.device, dtype=matrices.dtype).expand_as(matrices).clone()
    last = max(terms - 1, 3)
    power = matrices
    for exponent in range(1, last + 1 if terms > 2 else terms):
        total.add_(power, alpha=1.0 if exponent == last else 2.0)
        power = power @ matrices
    return total
