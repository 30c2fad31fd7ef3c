"""Heun's method (arXiv:2206.00364, algorithm 2): second order with two model calls per step."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.churn import churn


def heun_step(denoise: Denoise, x: Tensor, denoised: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """Try an Euler step from `sigma` to `following` (0-dim), then take it with the mean of the slopes at both its ends.

    Args:
        denoise: the model.
        x: [B,C,h,w] at the level `sigma`.
        denoised: what the model makes of x.
        sigma: where the step begins.
        following: where it ends.
    """
    slope = (x - denoised) / sigma
    end = x + slope * (following - sigma)
    if following == 0:  # there is no slope
        return end
    end_slope = (end - denoise(end, levels_of(end, following))) / following
    return x + (slope + end_slope) / 2 * (following - sigma)


def heun(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Take Heun steps, each from a level that is churned before."""
    for i, level, following in steps_of(sigmas):
        x, sigma = churn(x, level, len(sigmas) - 1, noise, options)
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        x = heun_step(denoise, x, denoised, sigma, following)
    return x
