"""Compares what a kind makes of a weight with W + s · ΔW in float64."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from modules.adapters.kinds.base import Change, Parts, Use
from modules.adapters.weights import changed

STRENGTHS = (1.0, 0.7, -0.4, 1.8)


def drawn(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Random numbers, float32."""
    generator = torch.Generator().manual_seed(seed + sum(size * 31**place for place, size in enumerate(shape)))
    return torch.randn(shape, generator=generator) * scale


def parts(tensors: Mapping[str, Tensor], *, alpha: float | None = None) -> Parts:
    """What a file holds for one module."""
    return Parts(tensors=tensors, alpha=alpha)


def check(change: Change, weight: Tensor, difference: Callable[[Tensor], Tensor]) -> None:
    """Assert that `change` adds `difference` of the weight, in float64, at every strength and in every format.

    The exact result is rounded once to a 16-bit format, so that ours may be one rounding away from it.
    """
    assert change.fits(tuple(weight.shape))
    exact = weight.double()
    for strength in STRENGTHS:
        use = Use(strength=strength)
        expected = exact + strength * difference(exact)
        size = expected.abs().max()
        assert (changed(weight, [(change, use)]).double() - expected).abs().max() < 1e-5 * size
        assert (changed(exact, [(change, use)]) - expected).abs().max() < 1e-12 * size
        for dtype, step in ((torch.float16, 2**-11), (torch.bfloat16, 2**-8)):
            given = weight.to(dtype)
            half = given.double() + strength * difference(given.double())
            assert (changed(given, [(change, use)]).double() - half).abs().max() < 1.01 * step * half.abs().max()
    _check_layouts(change, weight)


def _check_layouts(change: Change, weight: Tensor) -> None:
    if weight.ndim != 4:
        return
    use = Use(strength=0.6)
    last = weight.to(memory_format=torch.channels_last)
    apart = torch.stack((weight, weight), -1)[..., 0]
    expected = changed(weight, [(change, use)])
    for other in (last, apart):
        assert torch.allclose(changed(other, [(change, use)]), expected, atol=1e-5)
