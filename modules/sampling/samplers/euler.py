"""Euler's method (arXiv:2206.00364, algorithm 1 without its correction)."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, OnStep, levels_of, steps_of


def euler(denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep) -> Tensor:
    """Walk along the straight line from x to the denoised picture, as far as each next noise level."""
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        slope = (x - denoised) / sigma
        x = x + slope * (following - sigma)
    return x
