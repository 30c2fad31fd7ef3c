"""DPM-Solver-2 (arXiv:2206.00927, algorithm 1) as k-diffusion writes it: a slope halfway, in log sigma, through a step.

DPM2 is churned like the solvers of Karras et al.; DPM2 a is its ancestral form.
"""

from torch import Tensor

from modules.sampling.samplers.ancestral import ancestral_step
from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.churn import churn


def _midpoint_step(denoise: Denoise, x: Tensor, denoised: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """Step from `sigma` to `following` (0-dim) with the slope found halfway; an Euler step if `following` is 0."""
    slope = (x - denoised) / sigma
    if following > 0:
        middle = sigma.log().lerp(following.log(), 0.5).exp()
        halfway = x + slope * (middle - sigma)
        slope = (halfway - denoise(halfway, levels_of(x, middle))) / middle
    return x + slope * (following - sigma)


def dpm2(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Take midpoint steps, each from a level that is churned before."""
    for i, level, following in steps_of(sigmas):
        x, sigma = churn(x, level, len(sigmas) - 1, noise, options)
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        x = _midpoint_step(denoise, x, denoised, sigma, following)
    return x


def dpm2_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Take each midpoint step further down than asked, then add noise up to the level asked for.

    As in k-diffusion, a step that goes down to 0 gets no noise: the last one, and others only where eta is above 1.
    """
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        down, up = ancestral_step(sigma, following, options.eta)
        x = _midpoint_step(denoise, x, denoised, sigma, down)
        if down > 0 and up > 0:
            x = x + noise.next() * (up * options.s_noise)
    return x
