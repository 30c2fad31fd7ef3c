"""From what a file holds for one module to what becomes of its weight and its bias."""

from dataclasses import dataclass

from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape
from modules.adapters.kinds.dora import Dora
from modules.adapters.kinds.full import Full
from modules.adapters.kinds.glora import Glora
from modules.adapters.kinds.ia3 import Ia3
from modules.adapters.kinds.loha import Loha
from modules.adapters.kinds.lokr import Lokr
from modules.adapters.kinds.lora import Lora
from modules.adapters.kinds.oft import Oft
from modules.adapters.kinds.oft_input import OftInput
from modules.adapters.kinds.partial import FirstChannels
from modules.adapters.kinds.sparse import Sparse
from modules.adapters.tensor_names import (
    BIAS_DIFFERENCES,
    MAGNITUDES,
    PEFT_MAGNITUDES,
    RESIDUAL,
    UP_BIAS,
    WEIGHT_DIFFERENCES,
)

KINDS = (Lora, Loha, Lokr, Oft, OftInput, Ia3, Glora)
"""Those that are told by the names of their parts. A module has one of them, and differences beside it perhaps."""

MARKS = frozenset(mark for kind in KINDS for mark in kind.marks) | {*WEIGHT_DIFFERENCES, *BIAS_DIFFERENCES}
"""Names of parts that only adapters have."""

_KNOWN = frozenset(
    {*WEIGHT_DIFFERENCES, *BIAS_DIFFERENCES, *Sparse.marks, RESIDUAL, UP_BIAS, MAGNITUDES, PEFT_MAGNITUDES}
)

LATENT_CHANNELS = 4
"""Input channels of a network without extra ones."""


class Misfit(ValueError):
    """An adapter was made for a weight of another shape; the message names both."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModuleChanges:
    """What a file does to one module, whatever model that is in.

    Attributes:
        weight: what it does to the weight, in order.
        bias: what it does to the bias.
        magnitudes: of DoRA, around the first of `weight`; None without.
        peft: they are PEFT's; see `Dora.around`.
        bias_parts: names of the parts that `bias` comes from.
        unused: names of parts that mean nothing.
    """

    weight: tuple[Change, ...]
    bias: tuple[Change, ...]
    magnitudes: Tensor | None
    peft: bool
    bias_parts: tuple[str, ...]
    unused: tuple[str, ...]

    def for_weight(self, shape: Shape, third: int | None) -> tuple[Change, ...]:
        """Return the changes of a weight.

        Args:
            shape: its shape.
            third: see `keys.ModuleMatch`.

        Raises:
            Misfit: they were made for another shape.
            ValueError: they cannot be split into thirds, or the magnitudes do not fit.
        """
        changes = _thirds(self.weight, shape, third)
        if self.magnitudes is None or not changes:
            return tuple(_fitted(change, shape) for change in changes)
        part = _fitting_part(changes[0], shape)
        decomposed = Dora.around(changes[0], self.magnitudes, part, peft=self.peft)
        return (_fitted(decomposed, shape), *(_fitted(change, shape) for change in changes[1:]))

    def for_bias(self, shape: Shape, third: int | None) -> tuple[Change, ...]:
        """Return the changes of a bias; see `for_weight`."""
        return tuple(_fitted(change, shape) for change in _thirds(self.bias, shape, third))


def read_module(parts: Parts) -> ModuleChanges:
    """Return what the parts of one module do.

    Raises:
        ValueError: they are not complete, or do not fit together.
    """
    tensors = parts.tensors
    kinds = [kind for kind in KINDS if any(mark in tensors for mark in kind.marks)]
    read = [kind.read(parts) for kind in kinds]
    scale = next((change.scale for change in read if isinstance(change, (Lora, Loha, Lokr, Glora))), 1.0)
    weight: list[Change] = [*read, *(Full(difference=tensors[name]) for name in WEIGHT_DIFFERENCES if name in tensors)]
    bias: list[Change] = [Full(difference=tensors[name]) for name in BIAS_DIFFERENCES if name in tensors]
    if RESIDUAL in tensors:
        weight.append(Full(difference=tensors[RESIDUAL], scale=scale))
    if any(mark in tensors for mark in Sparse.marks):
        weight.append(Sparse.read(parts, scale))
    if UP_BIAS in tensors:
        bias.append(Full(difference=tensors[UP_BIAS], scale=scale))
    known = _KNOWN.union(*(kind.parts for kind in kinds))
    magnitudes = tensors.get(MAGNITUDES)
    return ModuleChanges(
        weight=tuple(weight),
        bias=tuple(bias),
        magnitudes=tensors.get(PEFT_MAGNITUDES) if magnitudes is None else magnitudes,
        peft=magnitudes is None,
        bias_parts=tuple(name for name in (*BIAS_DIFFERENCES, UP_BIAS) if name in tensors),
        unused=tuple(name for name in tensors if name not in known),
    )


def _thirds(changes: tuple[Change, ...], shape: Shape, third: int | None) -> tuple[Change, ...]:
    if third is None:
        return changes
    whole = (3 * shape[0], *shape[1:])
    parts = [_fitted(change, whole).rows(third * shape[0], (third + 1) * shape[0]) for change in changes]
    found = tuple(part for part in parts if part is not None)
    if len(found) < len(parts):
        raise ValueError("it is of a kind that cannot be split into queries, keys and values")
    return found


def _fitted(change: Change, shape: Shape) -> Change:
    """The change of a weight of this shape; of its first channels alone if it was made for a usual network."""
    if _fitting_part(change, shape) == shape:
        return change
    return FirstChannels(inner=change, channels=LATENT_CHANNELS)


def _fitting_part(change: Change, shape: Shape) -> Shape:
    """The shape of that part of a weight that a change fits."""
    usual = (shape[0], LATENT_CHANNELS, *shape[2:])
    if change.fits(shape):
        return shape
    if len(shape) == 4 and shape[1] > LATENT_CHANNELS and change.fits(usual):
        return usual
    raise Misfit(f"was made as {change.kind} for a weight of {change.made_for()}, and the model's is {list(shape)}")
