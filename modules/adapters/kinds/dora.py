"""Weight decomposition: what an adapter makes of a weight gets magnitudes of its own."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from modules.adapters.kinds.base import Change, Shape, Use, like


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dora(Change):
    """DoRA (arXiv:2402.09353, equation 5): W' = m · (W + ΔW) / ‖W + ΔW‖.

    The paper and PEFT take the norm over the numbers that go in, one for each that comes out; LyCORIS took it the other
    way round at first and has a switch now. At other strengths than 1 it is mixed with W, as in A1111 1.10.

    Attributes:
        inner: what makes W + ΔW, at strength 1.
        magnitudes: one for each channel that comes out [O], or that goes in [I].
        on_input: they are those that go in.
    """

    kind: ClassVar[str] = "DoRA"

    inner: Change
    magnitudes: Tensor
    on_input: bool

    @classmethod
    def around(cls, inner: Change, magnitudes: Tensor, shape: Shape, *, peft: bool) -> "Dora":
        """Return a DoRA of an adapter.

        Args:
            inner: the adapter.
            magnitudes: as the file has them: [O], [O, 1, …] or [1, I, …].
            shape: of the weight.
            peft: they are PEFT's, which are of what comes out, even of the shape [1, O, 1, 1].

        Raises:
            ValueError: they are not as many as there are channels, or the weight has none.
        """
        if len(shape) < 2:
            raise ValueError(f"it has a dora_scale for a weight of {list(shape)}")
        on_input = not peft and magnitudes.ndim > 1 and magnitudes.shape[0] == 1 and magnitudes.shape[1] == shape[1]
        if magnitudes.numel() != shape[1 if on_input else 0]:
            raise ValueError(f"its dora_scale has the shape {list(magnitudes.shape)} for a weight of {list(shape)}")
        return cls(inner=inner, magnitudes=magnitudes.flatten(), on_input=on_input)

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        return self.inner.fits(shape) and len(self.magnitudes) == shape[1 if self.on_input else 0]

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return self.inner.made_for()

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        if not use.dora:
            self.inner.apply(weight, use)
            return
        merged = weight.clone()
        self.inner.apply(merged, Use(strength=1.0, rank=use.rank))
        axis = 1 if self.on_input else 0
        others = [dimension for dimension in range(weight.ndim) if dimension != axis]
        norm = merged.square().sum(others, keepdim=True).sqrt()
        # A norm of 0 must not divide; LyCORIS adds the same.
        merged.mul_(like(self.magnitudes, weight).view(norm.shape) / (norm + torch.finfo(weight.dtype).eps))
        weight.lerp_(merged, use.strength)
