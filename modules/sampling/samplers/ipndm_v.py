"""IPNDM_V: IPNDM for steps of different widths, as in diff-sampler (Apache-2.0) and all programs that took it over."""

from collections import deque
from itertools import zip_longest

from torch import Tensor

from modules.sampling.samplers.base import Denoise, OnStep, levels_of, steps_of


def ipndm_v(denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep, max_order: int = 4) -> Tensor:
    """Extrapolate the slope from this step and those before it. A step to noise level 0 ends at the denoised picture.

    Args:
        denoise: see `Sampler`, as the others.
        x: [B,C,h,w].
        sigmas: [steps + 1].
        on_step: called once per step.
        max_order: how many slopes are used, 1 (Euler's method) to 4.
    """
    widths: list[float] = [width.item() for width in sigmas.diff()]
    slopes: deque[Tensor] = deque(maxlen=max_order)
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        if following == 0:
            x = denoised
            continue
        slopes.appendleft((x - denoised) / sigma)
        weights = _weights(widths[i::-1][: len(slopes)])
        for slope, weight in zip(slopes, weights, strict=True):
            x = x.add(slope, alpha=weight * widths[i])
    return x


def _weights(widths: list[float]) -> list[float]:
    """Return what each slope counts in the mean slope of a step, the newest first.

    From the third slope on these are not quite those of the polynomial through the slopes (`bend` agrees where all
    widths are equal, `twist` never). The method is known with them, so they stay.

    Args:
        widths: of this step and those before it, the newest first, 1 to 4.
    """
    rows = [[1.0]]
    if len(widths) >= 2:
        h, h1 = widths[:2]
        rows.append([h / h1 / 2, -h / h1 / 2])
    if len(widths) >= 3:
        h, h1, h2 = widths[:3]
        bend = (1 - h**2 / (3 * h1 * (h1 + h2))) / 2
        rows.append([bend, -(1 + h1 / h2) * bend, h1 / h2 * bend])
    if len(widths) == 4:
        h, h1, h2, h3 = widths
        area = (1 - h / (3 * (h + h1))) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
        twist = area * h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
        r, q = h1 / h2, h1 * (h1 + h2) / (h2 * (h2 + h3))
        rows.append([twist, -(1 + r + q) * twist, (r + q * (1 + h2 / h3)) * twist, -q * r * twist])
    return [sum(column) for column in zip_longest(*rows, fillvalue=0.0)]
