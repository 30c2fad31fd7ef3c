"""Euler's method (arXiv:2206.00364, algorithm 2 without its correction)."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.churn import churn


def euler(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Walk along the straight line from x to the denoised picture, as far as each next noise level."""
    for i, level, following in steps_of(sigmas):
        x, sigma = churn(x, level, len(sigmas) - 1, noise, options)
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        slope = (x - denoised) / sigma
        x = x + slope * (following - sigma)
    return x
