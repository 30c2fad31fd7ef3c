"""DPM++ 3M SDE: k-diffusion's (MIT) extension of SDE-DPM-Solver++(2M) (arXiv:2211.01095, section 5) to third order."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.dpmpp import sde_first_order, sde_noise

_Past = list[tuple[Tensor, Tensor]]
"""Denoised pictures and step lengths h of the steps before this one, the last one first; at most two."""


def dpmpp_3m_sde(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Correct each first-order step by the parabola through the denoised pictures of this step and the two before."""
    past: _Past = []
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        if following == 0:
            x = denoised
            continue
        h = sigma.log() - following.log()
        x = sde_first_order(x, denoised, h, options)
        if past:
            x = x + _correction(denoised, past, h, h * (1 + options.eta))
        x = sde_noise(x, sigma, following, noise, options)
        past = [(denoised, h), *past[:1]]
    return x


def _correction(denoised: Tensor, past: _Past, h: Tensor, decay: Tensor) -> Tensor:
    """Return what the change of the denoised picture adds to a step: of second order at first, then of third."""
    phi_2 = (-decay).expm1() / decay + 1
    denoised_1, h_1 = past[0]
    r_1 = h_1 / h
    change = (denoised - denoised_1) / r_1  # per step of length h
    if len(past) == 1:
        return phi_2 * change
    phi_3 = phi_2 / decay - 0.5
    denoised_2, h_2 = past[1]
    bend = change - (denoised_1 - denoised_2) * (h / h_2)
    return phi_2 * change + (phi_2 * r_1 - phi_3) / (r_1 + h_2 / h) * bend
