"""Linear multistep method (Adams-Bashforth with uneven steps), as in k-diffusion (MIT)."""

from collections import deque
from math import prod

from torch import Tensor

from modules.sampling.samplers.base import Denoise, OnStep, levels_of, steps_of


def lms(denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep, order: int = 4) -> Tensor:
    """Follow the polynomial in sigma through the slopes of the last `order` steps, 1 (Euler's method) to 4."""
    levels = [level.item() for level in sigmas]
    slopes: deque[Tensor] = deque(maxlen=order)
    for i, sigma, _ in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        slopes.append((x - denoised) / sigma)
        nodes = levels[i + 1 - len(slopes) : i + 1]
        for slope, weight in zip(slopes, _weights(nodes, levels[i + 1]), strict=True):
            x = x.add(slope, alpha=weight)
    return x


def _weights(nodes: list[float], end: float) -> list[float]:
    """Return what the slope at each node counts in the integral of their polynomial from the last node to `end`.

    Simpson's rule is exact here: four nodes make a polynomial of third degree.
    """
    start = nodes[-1]
    points = ((start, 1), ((start + end) / 2, 4), (end, 1))

    def basis(node: float, at: float) -> float:
        return prod((at - other) / (node - other) for other in nodes if other != node)

    return [(end - start) / 6 * sum(share * basis(node, at) for at, share in points) for node in nodes]
