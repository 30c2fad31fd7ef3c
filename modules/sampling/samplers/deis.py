"""DEIS, the variant tAB (arXiv:2204.13902), as in diff-sampler (Apache-2.0)."""

from collections import deque
from math import prod

import torch
from torch import Tensor

from modules.sampling.samplers.base import Denoise, OnStep, levels_of, steps_of

_BETA_START, _BETA_END = -0.004715818328307364, 17.533134832612316
"""Of the diffusion whose time the slopes are polynomials of: its noise levels go from 0.002 to 80. Rounded as there."""

_POINTS = 10_000


def deis(denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep, max_order: int = 3) -> Tensor:
    """Integrate the polynomial in time through this step's slope and those before it.

    A step to noise level 0 ends at the denoised picture.

    Args:
        denoise: see `Sampler`, as the others.
        x: [B,C,h,w].
        sigmas: [steps + 1].
        on_step: called once per step.
        max_order: how many slopes are used, 1 (Euler's method) to 4.
    """
    times = _times(sigmas)
    slopes: deque[Tensor] = deque(maxlen=max_order)
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        if following == 0:
            x = denoised
            continue
        slopes.appendleft((x - denoised) / sigma)
        if len(slopes) == 1:
            x = x + slopes[0] * (following - sigma)
            continue
        nodes = [times[i - k] for k in range(len(slopes))]
        for slope, weight in zip(slopes, _weights(nodes, times[i + 1]), strict=True):
            x = x + slope * weight
    return x


def _times(sigmas: Tensor) -> Tensor:
    """Return where the noise levels lie in time (arXiv:2011.13456, equation 33)."""
    growth = _BETA_END - _BETA_START
    return ((_BETA_START**2 + 2 * growth * (sigmas**2 + 1).log()).sqrt() - _BETA_START) / growth


def _weights(nodes: list[Tensor], end: Tensor) -> list[Tensor]:
    """Return the integral over sigma, from the first of `nodes` to `end`, of each node's Lagrange polynomial in time.

    A sum over float32 points, as in the authors' implementation, whose rounding shows in the pictures' last digits.

    Args:
        nodes: times of the slopes, 0-dim, the newest first; two or more.
        end: time where the step ends, 0-dim.
    """
    points = torch.linspace(nodes[0].item(), end.item(), _POINTS)
    alpha = (-0.5 * points**2 * (_BETA_END - _BETA_START) - points * _BETA_START).exp()
    one = alpha.reciprocal() * alpha  # but for the rounding: there, automatic differentiation leaves it behind
    log_alpha_slope = one * (_BETA_END - _BETA_START) * -0.5 * (2 * points) - one * _BETA_START
    sigma_slope = -0.5 * log_alpha_slope / (alpha * (1 - alpha)).sqrt()
    width = (end - nodes[0]) / _POINTS

    def basis(node: Tensor) -> Tensor | int:
        return prod((points - other) / (node - other) for other in nodes if other is not node)

    return [(sigma_slope * basis(node)).sum() * width for node in nodes]
