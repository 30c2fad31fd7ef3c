"""Adapters of a part of a weight."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from modules.adapters.kinds.base import Change, Shape, Use


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstChannels(Change):
    """An adapter of a usual network in a network with more input channels, as inpainting models have them.

    What goes in beside the noisy latents stays as it is, as in A1111.

    Attributes:
        inner: the adapter of the first channels.
        channels: how many it was made for.
    """

    kind: ClassVar[str] = "an adapter of the first channels"

    inner: Change
    channels: int

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        return shape[1] > self.channels and self.inner.fits((shape[0], self.channels, *shape[2:]))

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return self.inner.made_for()

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        self.inner.apply(weight[:, : self.channels], use)

    def rows(self, start: int, end: int) -> "FirstChannels | None":
        """See `Change.rows`."""
        inner = self.inner.rows(start, end)
        return None if inner is None else replace(self, inner=inner)
