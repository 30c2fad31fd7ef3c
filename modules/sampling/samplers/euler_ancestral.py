"""Ancestral sampling with Euler steps, known as Euler a."""

from torch import Tensor

from modules.sampling.samplers.ancestral import ancestral_step
from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of


def euler_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Take each Euler step further down than asked, then add noise up to the level asked for."""
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        down, up = ancestral_step(sigma, following, options.eta)
        slope = (x - denoised) / sigma
        x = x + slope * (down - sigma)
        if up > 0:
            x = x + noise.next() * (up * options.s_noise)
    return x
