"""A matrix as files keep it: whole, as a product of two, or as a Tucker decomposition."""

import torch
from torch import Tensor

from modules.adapters.kinds.base import Parts, Shape, like

Factor = tuple[Tensor, ...]
"""(whole,), (a [n, r], b [r, m]) or (core [r, s, *k], a [r, n], b [s, m])."""


def read_factor(parts: Parts, *, whole: str | None, a: str, b: str, core: str | None) -> Factor:
    """Return a factor.

    Args:
        parts: of a module.
        whole: name of the whole matrix, None if it is never kept whole.
        a: name of the left part.
        b: name of the right part.
        core: name of the core, None if there never is one.

    Raises:
        ValueError: tensors are missing, or do not fit together.
    """
    if whole is not None and parts.get(whole) is not None:
        return (parts.need(whole),)
    left, right = parts.need(a, 2), parts.need(b)
    if core is None or parts.get(core) is None:
        factor, fits = (left, right), left.shape[1] == right.shape[0]
    else:
        middle = parts.need(core)
        factor = (middle, left, right)
        fits = right.ndim == 2 and middle.shape[:2] == (left.shape[0], right.shape[0])
    if not fits:
        raise ValueError(f"its {a} {list(left.shape)} and {b} {list(right.shape)} do not fit together")
    return factor


def factor_shape(factor: Factor) -> Shape:
    """Return the shape of the matrix that a factor makes; a kernel follows its two dimensions."""
    match factor:
        case (whole,):
            return tuple(whole.shape)
        case (a, b):
            return (a.shape[0], *b.shape[1:])
        case (core, a, b):
            return (a.shape[1], b.shape[1], *core.shape[2:])
        case _:
            raise TypeError(f"a factor of {len(factor)} tensors")


def factor_rank(factor: Factor) -> int | None:
    """Return the rank of a factor, None if it is kept whole."""
    return factor[-1].shape[0] if len(factor) > 1 else None


def multiplied(factor: Factor, weight: Tensor) -> Tensor:
    """Return the matrix that a factor makes, on the device and in the number format of `weight`."""
    match [like(part, weight) for part in factor]:
        case [whole]:
            return whole
        case [a, b]:
            return (a @ b.reshape(len(b), -1)).view(len(a), *b.shape[1:])
        case [core, a, b]:
            return tucker(core, a, b)
        case _:
            raise TypeError(f"a factor of {len(factor)} tensors")


def tucker(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the weight [n, m, *k] of a Tucker decomposition: a core [r, s, *k], `a` [r, n] and `b` [s, m].

    Source: LyCORIS (arXiv:2309.14859), after arXiv:1511.06530.
    """
    return torch.einsum("rs...,rn,sm->nm...", core, a, b)
