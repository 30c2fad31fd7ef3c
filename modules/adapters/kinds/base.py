"""What all kinds of weight adapters have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import prod
from typing import ClassVar, Self, cast

import torch
from torch import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How an adapter is to be used.

    Attributes:
        strength: how often its difference is added; 0 for nothing, negative for the opposite.
        rank: how many of a LoRA's ranks are used, the first ones; None for all (A1111: `dyn`). The ranks of other kinds
            are in no order, and they do not look at it.
        dora: magnitudes beside an adapter (DoRA) count; A1111 up to 1.8 does not look at them.
    """

    strength: float
    rank: int | None = None
    dora: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """What a file holds for one module.

    Attributes:
        tensors: by the names that kohya and LyCORIS give them ("lora_up", "hada_w1_a", "oft_blocks", …).
        alpha: what the difference is scaled by, over its rank; None where the file does not say.
        scale: the whole factor, where it is known and `alpha` does not count.
        multiplier: a further factor that LyCORIS may have learned (`scalar`).
        neumann_terms: of the series that stands for a matrix inverse in PEFT's OFT; None for the inverse itself.
    """

    tensors: Mapping[str, Tensor]
    alpha: float | None = None
    scale: float | None = None
    multiplier: float = 1.0
    neumann_terms: int | None = 5

    def get(self, name: str) -> Tensor | None:
        """Return the tensor of that name, None if there is none."""
        return self.tensors.get(name)

    def need(self, name: str, dimensions: int | None = None) -> Tensor:
        """Return the tensor of that name.

        Args:
            name: of the tensor.
            dimensions: it must have as many; None for two or more.

        Raises:
            ValueError: it is missing, or has another number of dimensions.
        """
        tensor = self.tensors.get(name)
        if tensor is None:
            raise ValueError(f"its {name} is missing")
        if tensor.ndim < 2 if dimensions is None else tensor.ndim != dimensions:
            raise ValueError(f"its {name} has the shape {list(tensor.shape)}")
        return tensor

    def scale_for(self, rank: int | None) -> float:
        """Return the factor of the difference.

        Args:
            rank: of the decomposition, None for one of full rank.
        """
        if self.scale is not None:
            return self.scale * self.multiplier
        if self.alpha is None or not rank:
            return self.multiplier
        return self.multiplier * self.alpha / rank


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change(ABC):
    """What an adapter does to one weight: `weight ← weight + strength · Δ(weight)`.

    Every kind is a record of tensors as they lie in the file: in its number format, on the CPU unless `moved`.

    Attributes:
        kind: its name for people.
        marks: names of `Parts`, each of which tells this kind.
        parts: names of all `Parts` that it may have.
    """

    kind: ClassVar[str]
    marks: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def fits(self, shape: Shape) -> bool:
        """Whether it can change a weight of this shape."""

    @abstractmethod
    def made_for(self) -> str:
        """Return the shape that it was made for, as far as it tells, for messages: "[320, 768]"."""

    @abstractmethod
    def apply(self, weight: Tensor, use: Use) -> None:
        """Change a weight in place.

        Args:
            weight: float32 or float64, of a shape that `fits`; it need not be contiguous.
            use: how much of it.
        """

    def rows(self, start: int, end: int) -> "Change | None":
        """Return the change of the rows from `start` to `end` alone; None where that cannot be told apart."""
        del start, end
        return None

    def moved(self, device: torch.device, dtype: torch.dtype | None = None) -> Self:
        """Return the same with its tensors on `device`, in another number format if one is given."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return replace(self, **{name: _moved(value, device, dtype) for name, value in values.items()})


def _moved(value: object, device: torch.device, dtype: torch.dtype | None) -> object:
    if isinstance(value, Tensor):
        return value.to(device, dtype if value.is_floating_point() else None, non_blocking=True)
    if isinstance(value, Change):
        return value.moved(device, dtype)
    if isinstance(value, tuple):
        return tuple(_moved(part, device, dtype) for part in cast("tuple[object, ...]", value))
    return value


def like(tensor: Tensor, weight: Tensor) -> Tensor:
    """Return `tensor` on the device and in the number format of `weight`."""
    return tensor.to(weight.device, weight.dtype)


def flat(tensor: Tensor) -> Tensor:
    """Return a matrix [first dimension, all others]."""
    return tensor.reshape(tensor.shape[0], -1)


def split(tensor: Tensor, dimension: int, *sizes: int) -> Tensor:
    """Return a view with one dimension split into several; one of their sizes may be -1."""
    shape = tensor.shape
    return tensor.view(*shape[:dimension], *sizes, *shape[dimension + 1 :])


def columns(shape: Shape) -> int:
    """Return how many numbers a row of a weight has."""
    return prod(shape[1:])
