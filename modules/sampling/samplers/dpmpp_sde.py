"""DPM++ SDE: DPM-Solver++(2S) (arXiv:2211.01095, algorithm 1) with ancestral noise in both of its stages.

The solver is k-diffusion's (MIT). Its noise is a Brownian path: what the first stage adds is part of the whole step's.
"""

import torch
from torch import Tensor

from modules.sampling.samplers.ancestral import ancestral_step
from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.dpmpp import towards


def dpmpp_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: SolverOptions,
    r: float = 0.5,
) -> Tensor:
    """Go part of the way to the denoised picture, then the whole way to what the model says there.

    The first stage takes the part `r` of a step in log sigma, above 0 and below 1.
    """
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        if following == 0:
            x = denoised
            continue
        lam, lam_following = -sigma.log(), -following.log()
        middle = lam + (lam_following - lam) * r
        partway = _noisy_step(x, denoised, lam, middle, noise, options)
        partway_denoised = denoise(partway, levels_of(x, (-middle).exp()))
        target = torch.lerp(denoised, partway_denoised, 1 / (2 * r))
        x = _noisy_step(x, target, lam, lam_following, noise, options)
    return x


def _noisy_step(
    x: Tensor, target: Tensor, lam: Tensor, lam_following: Tensor, noise: NoiseSource, options: SolverOptions
) -> Tensor:
    """Step further down than asked, then add noise up to the level asked for.

    The levels are computed from lam, even where they are known: Brownian noise depends on how the levels it is asked
    for are rounded, and this is how k-diffusion asks.
    """
    sigma, following = (-lam).exp(), (-lam_following).exp()
    down, up = ancestral_step(sigma, following, options.eta)
    x = towards(x, target, lam, -down.log())
    if up > 0:
        x = x + noise.between(sigma, following) * (up * options.s_noise)
    return x
