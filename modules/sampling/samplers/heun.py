"""Heun's method (arXiv:2206.00364, algorithm 1): second order with two model calls per step."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, OnStep, levels_of, steps_of


def heun(denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep) -> Tensor:
    """Try an Euler step, then take it again with the mean of the slopes at both its ends."""
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        slope = (x - denoised) / sigma
        end = x + slope * (following - sigma)
        if following > 0:  # at sigma 0 there is no slope
            end_slope = (end - denoise(end, levels_of(end, following))) / following
            end = x + (slope + end_slope) / 2 * (following - sigma)
        x = end
    return x
