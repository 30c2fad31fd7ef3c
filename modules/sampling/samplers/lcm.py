"""Multistep consistency sampling (arXiv:2303.01469, algorithm 1), for latent consistency models (arXiv:2310.04378)."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of


def lcm(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Take what the model makes of x, and add fresh noise up to the next level."""
    del options  # the method leaves no choice
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        x = denoised
        if following > 0:
            x = x + noise.next() * following
    return x
