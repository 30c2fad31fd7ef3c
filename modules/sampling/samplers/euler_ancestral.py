"""Ancestral sampling with Euler steps, known as Euler a.

The split of a step is DDIM's (arXiv:2010.02502, equation 16) in terms of sigma, as in k-diffusion (MIT).
"""

import torch
from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, levels_of, steps_of


def ancestral_step(sigma: Tensor, following: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Split the step from `sigma` to `following` into a deterministic part and fresh noise; all 0-dim.

    Returns:
        The level to go down to, and the standard deviation of the noise that leads back up to `following`.
    """
    up = eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5
    up = torch.minimum(up, following)
    return (following**2 - up**2) ** 0.5, up


def euler_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, *, eta: float
) -> Tensor:
    """Take each Euler step further down than asked, then add noise up to the level asked for."""
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        down, up = ancestral_step(sigma, following, eta)
        slope = (x - denoised) / sigma
        x = x + slope * (down - sigma)
        if up > 0:
            x = x + noise.next() * up
    return x
