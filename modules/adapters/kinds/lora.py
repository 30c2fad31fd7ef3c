"""Low-rank adaptation: ΔW = up · down."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape, Use, columns, flat, like
from modules.adapters.kinds.factor import tucker


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lora(Change):
    """LoRA (arXiv:2106.09685), for convolutions too (LoCon of LyCORIS, arXiv:2309.14859).

    A convolution's kernel lies in `down`, or between both in a core of its own.

    Attributes:
        up: [O, r] or [O, r, 1, 1].
        down: [r, I] or [r, I, *k].
        mid: the core [r, r, *k] of a Tucker decomposition, beside a kernel of 1 in `down`; None without.
        scale: factor of the difference, mostly alpha / r.
    """

    kind: ClassVar[str] = "LoRA"
    marks: ClassVar[tuple[str, ...]] = ("lora_up", "lora_down")
    parts: ClassVar[tuple[str, ...]] = (*marks, "lora_mid")

    up: Tensor
    down: Tensor
    mid: Tensor | None = None
    scale: float = 1.0

    @classmethod
    def read(cls, parts: Parts) -> "Lora":
        """Return the LoRA of one module.

        Raises:
            ValueError: its tensors are not complete, or do not fit together.
        """
        up, down, mid = parts.need("lora_up"), parts.need("lora_down"), parts.get("lora_mid")
        if mid is None:
            fits = columns(tuple(up.shape)) == len(down)
        else:
            inner = (columns(tuple(up.shape)), len(down))
            fits = parts.need("lora_mid").shape[:2] == inner and columns(tuple(down.shape)) == down.shape[1]
        if not fits:
            raise ValueError(f"its lora_up {list(up.shape)} and lora_down {list(down.shape)} do not fit together")
        return cls(up=up, down=down, mid=mid, scale=parts.scale_for(len(down)))

    def _shape(self) -> Shape:
        kernel = (self.down if self.mid is None else self.mid).shape[2:]
        return (len(self.up), self.down.shape[1], *kernel)

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`; a linear layer and a convolution of kernel 1 are the same."""
        made = self._shape()
        return (made[0], columns(made)) == (shape[0], columns(shape))

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return str(list(self._shape()))

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        up, down, factor = like(flat(self.up), weight), like(flat(self.down), weight), use.strength * self.scale
        if self.mid is not None:
            difference = tucker(like(self.mid, weight), up.T, down)
            weight.add_(difference.view(weight.shape), alpha=factor)
            return
        up, down = up[:, : use.rank], down[: use.rank]
        if weight.is_contiguous():
            weight.view(len(weight), -1).addmm_(up, down, alpha=factor)
        elif weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
            down = flat(down.view(-1, *weight.shape[1:]).permute(0, 2, 3, 1))
            weight.permute(0, 2, 3, 1).view(len(weight), -1).addmm_(up, down, alpha=factor)
        else:
            weight.add_((up @ down).view(weight.shape), alpha=factor)

    def rows(self, start: int, end: int) -> "Lora":
        """See `Change.rows`."""
        return replace(self, up=self.up[start:end])
