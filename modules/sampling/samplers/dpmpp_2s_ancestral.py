"""DPM-Solver++(2S) (arXiv:2211.01095, algorithm 1) with ancestral noise, known as DPM++ 2S a; as in k-diffusion."""

from torch import Tensor

from modules.sampling.samplers.ancestral import ancestral_step
from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.dpmpp import towards


def dpmpp_2s_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Aim each step, further down than asked, at what the model says halfway; then add noise up to the level asked."""
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        down, up = ancestral_step(sigma, following, options.eta)
        lam, lam_down = -sigma.log(), -down.log()
        target = denoised
        if down > 0:
            middle = lam + (lam_down - lam) / 2
            halfway = towards(x, denoised, lam, middle)
            target = denoise(halfway, levels_of(x, (-middle).exp()))
        x = towards(x, target, lam, lam_down)
        if up > 0:
            x = x + noise.next() * (up * options.s_noise)
    return x
