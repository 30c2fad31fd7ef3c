"""Adapters applied to a weight in any number format."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from modules.adapters.kinds.base import Change, Use, flat
from modules.adapters.kinds.lora import Lora
from modules.hardware.float8 import FLOAT8, to_float8

BLOCK_NUMBERS = 2**18
"""Numbers of a weight that a CPU takes at once: they stay in its cache while adapters are added to them."""

_Changes = Sequence[tuple[Change, Use]]


def changed(weight: Tensor, changes: _Changes, out: Tensor | None = None) -> Tensor:
    """Return a weight with adapters applied one after the other, each to what the one before it left.

    It is computed on the weight's device, in float32 (in float64 for float64), and rounded once at the end.

    Args:
        weight: as the model holds it; it is not changed unless it is `out`.
        changes: of this weight, in order.
        out: where the result goes, of the same shape, device and strides; may be `weight` itself, or of another
            number format. None for a new tensor.
    """
    weight = weight.detach()
    out = torch.empty_like(weight) if out is None else out.detach()
    if _in_one_call(weight, changes, out):
        return out
    exact = torch.float64 if weight.dtype == torch.float64 else torch.float32
    # Moved once for all blocks, which share the memory that they are computed in: new memory costs more than the rest.
    moved = [(change.moved(weight.device, exact), use) for change, use in changes]
    scratch: Tensor | None = None
    for start, end, here in _blocks(weight, moved):
        source, target = weight[start:end], out[start:end]
        if out.dtype == exact:
            work = target
        else:
            scratch = torch.empty_like(source, dtype=exact) if scratch is None else scratch
            work = scratch[: end - start]
        if work.data_ptr() != source.data_ptr():
            work.copy_(source)
        for change, use in here:
            change.apply(work, use)
        if work is not target:
            target.copy_(to_float8(work) if target.dtype == FLOAT8 else work)
    return out


def _blocks(weight: Tensor, changes: _Changes) -> Iterator[tuple[int, int, _Changes]]:
    """The ranges of rows that are computed one after the other, with what changes them."""
    rows = max(1, BLOCK_NUMBERS * len(weight) // max(1, weight.numel()))
    if weight.device.type != "cpu" or rows >= len(weight) or any(change.rows(0, 1) is None for change, _ in changes):
        yield 0, len(weight), changes
        return
    for start in range(0, len(weight), rows):
        end = min(start + rows, len(weight))
        parts = [(change.rows(start, end), use) for change, use in changes]
        yield start, end, [(part, use) for part, use in parts if part is not None]


def _in_one_call(weight: Tensor, changes: _Changes, out: Tensor) -> bool:
    """Let CUDA add a single LoRA of the weight's own 16-bit format to it, if that is all.

    It adds in float32 and rounds once, so that this differs from the long way in nothing but the memory traffic, which
    is half.
    """
    match changes:
        case [(Lora(mid=None) as lora, use)] if weight.is_cuda and weight.is_contiguous() and out.is_contiguous():
            formats = {weight.dtype, out.dtype, lora.up.dtype, lora.down.dtype}
        case _:
            return False
    if formats not in ({torch.float16}, {torch.bfloat16}):
        return False
    up, down = (flat(part.to(weight.device)) for part in (lora.up, lora.down))
    rows = weight.view(len(weight), -1), out.view(len(out), -1)
    torch.addmm(rows[0], up[:, : use.rank], down[: use.rank], alpha=use.strength * lora.scale, out=rows[1])
    return True
