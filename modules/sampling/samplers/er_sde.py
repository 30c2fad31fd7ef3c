"""ER-SDE-Solver-3: the extended reverse-time SDE (arXiv:2309.06169), after its authors' code (MIT)."""

import torch
from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of

_POINTS = torch.arange(200, dtype=torch.float32)
"""Numbers of the points at which integrals are summed; float32, as the recorded pictures were made."""


def noise_scale(sigma: Tensor) -> Tensor:
    """Return the function of the noise level that says how fresh the noise is (appendix A.8, "SDE_5")."""
    return sigma * ((sigma**0.3).exp() + 10)


def er_sde(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Expand the denoised picture in sigma from this step and up to two before it; add what noise the SDE asks for."""
    earlier: Tensor | None = None
    earlier_change: Tensor | None = None
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        if following == 0:
            x = denoised
            continue
        kept = noise_scale(following) / noise_scale(sigma)
        x = kept * x + (1 - kept) * denoised
        if earlier is not None:
            first, second = _integrals(sigma, following)
            change = (denoised - earlier) / (sigma - sigmas[i - 1])
            x = x + (following - sigma + first * noise_scale(following)) * change
            if earlier_change is not None:
                bend = 2 * (change - earlier_change) / (sigma - sigmas[i - 2])
                x = x + ((following - sigma) ** 2 / 2 + second * noise_scale(following)) * bend
            earlier_change = change
        fresh = (following**2 - (sigma * kept) ** 2).clamp(min=0).sqrt()
        x = x + noise.next() * (fresh * options.s_noise)
        earlier = denoised
    return x


def _integrals(sigma: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
    """Return the integrals of 1 / noise_scale(s) and of (s - sigma) / noise_scale(s) over s, from `following` up."""
    width = (sigma - following) / len(_POINTS)
    points = following + _POINTS * width
    scale = noise_scale(points)
    return scale.reciprocal().sum() * width, ((points - sigma) / scale).sum() * width
