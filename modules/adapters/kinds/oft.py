"""Orthogonal finetuning: W' = R · W with orthogonal blocks R, or in a butterfly of them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Shape, Use, like, split


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Oft(Change):
    """OFT (arXiv:2306.07280), as sd-scripts and LyCORIS keep it: blocks turn the channels that come out.

    Attributes:
        blocks: [n, b, b] for n · b channels: matrices whose antisymmetric part Q makes the rotation
            R = (1 + Q)(1 − Q)⁻¹ (Cayley), or rotations as they are.
        rotations: they are rotations as they are (older versions of LyCORIS).
        limit: Frobenius norm of all Q that is not exceeded (constrained OFT), over the number of channels; None for
            any norm.
        rescale: factors [n · b] of the channels afterwards, None without.
    """

    kind: ClassVar[str] = "OFT"
    marks: ClassVar[tuple[str, ...]] = ("oft_blocks", "oft_diag")
    parts: ClassVar[tuple[str, ...]] = (*marks, "rescale")

    blocks: Tensor
    rotations: bool = False
    limit: float | None = None
    rescale: Tensor | None = None

    @classmethod
    def read(cls, parts: Parts) -> "Oft | Boft":
        """Return the OFT of one module.

        Raises:
            ValueError: its tensors are not complete, or do not fit together.
        """
        rotations = parts.get("oft_blocks") is None
        blocks, rescale = parts.need("oft_diag" if rotations else "oft_blocks"), parts.get("rescale")
        if blocks.ndim not in {3, 4} or blocks.shape[-1] != blocks.shape[-2] or (rotations and blocks.ndim == 4):
            raise ValueError(f"its blocks have the shape {list(blocks.shape)}")
        if rescale is not None and rescale.numel() != _channels(blocks):
            raise ValueError(f"its rescale has the shape {list(rescale.shape)}")
        rescale = None if rescale is None else rescale.flatten()
        limit = parts.alpha if parts.alpha and parts.alpha > 0 else None  # its alpha is no alpha
        if blocks.ndim == 4:
            return Boft.of_stages(blocks, limit=limit, rescale=rescale)
        return cls(blocks=blocks, rotations=rotations, limit=limit, rescale=rescale)

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        return len(shape) > 1 and shape[0] == _channels(self.blocks)

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return f"[{_channels(self.blocks)}, …]"

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        blocks = like(self.blocks, weight)
        rotations = blocks if self.rotations else cayley(_limited(_antisymmetric(blocks), self.limit))
        # The channels are a row vector here: R stands on their right.
        turned = torch.einsum("knm,kn...->km...", rotations, split(weight, 0, *blocks.shape[:2])).flatten(0, 1)
        weight.lerp_(_rescaled(turned, self.rescale), use.strength)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boft(Change):
    """BOFT (arXiv:2311.06243), as LyCORIS keeps it: stages of blocks, between which channels change places.

    Attributes:
        stages: [m, n, b, b] for n · b channels: the Q of `Oft`, stage by stage.
        limit: see `Oft`.
        rescale: see `Oft`.
    """

    kind: ClassVar[str] = "BOFT"

    stages: Tensor
    limit: float | None = None
    rescale: Tensor | None = None

    @classmethod
    def of_stages(cls, stages: Tensor, *, limit: float | None, rescale: Tensor | None) -> "Boft":
        """Return the BOFT of stages [m, n, b, b].

        Raises:
            ValueError: the butterfly of so many stages does not fit the number of channels.
        """
        count, _, size, _ = stages.shape
        if size % 2 or _channels(stages) % (2 ** (count - 1) * size):
            raise ValueError(f"its oft_blocks have the shape {list(stages.shape)}")
        return cls(stages=stages, limit=limit, rescale=rescale)

    def fits(self, shape: Shape) -> bool:
        """See `Change.fits`."""
        return len(shape) > 1 and shape[0] == _channels(self.stages)

    def made_for(self) -> str:
        """See `Change.made_for`."""
        return f"[{_channels(self.stages)}, …]"

    def apply(self, weight: Tensor, use: Use) -> None:
        """See `Change.apply`."""
        rotations = cayley(_limited(_antisymmetric(like(self.stages, weight)), self.limit))
        size, turned = rotations.shape[-1], weight
        for number, blocks in enumerate(rotations):
            # Stage i lets channels meet that are 2^i · b/2 apart.
            apart = 2**number * size // 2
            together = split(split(turned, 0, -1, 2, apart).transpose(1, 2).flatten(0, 2), 0, -1, size)
            met = torch.einsum("dij,dj...->di...", blocks, together).flatten(0, 1)
            turned = split(met, 0, -1, apart, 2).transpose(1, 2).flatten(0, 2)
        weight.lerp_(_rescaled(turned, self.rescale), use.strength)


def cayley(antisymmetric: Tensor) -> Tensor:
    """Return the rotations (1 + Q)(1 − Q)⁻¹ of antisymmetric matrices Q [..., b, b]."""
    one = torch.eye(antisymmetric.shape[-1], device=antisymmetric.device, dtype=antisymmetric.dtype)
    return (one + antisymmetric) @ torch.inverse(one - antisymmetric)


def _antisymmetric(blocks: Tensor) -> Tensor:
    return blocks - blocks.transpose(-1, -2)


def _limited(matrices: Tensor, limit: float | None) -> Tensor:
    if limit is None:
        return matrices
    norm = matrices.square().sum().sqrt()
    return matrices * (limit * _channels(matrices) / norm).clamp(max=1)


def _rescaled(weight: Tensor, factors: Tensor | None) -> Tensor:
    if factors is None:
        return weight
    return weight * like(factors, weight).view(-1, *(1 for _ in weight.shape[1:]))


def _channels(blocks: Tensor) -> int:
    return blocks.shape[-3] * blocks.shape[-2]
