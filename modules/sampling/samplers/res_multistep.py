"""RES, the refined exponential solver, as a multistep method of second order (arXiv:2308.02157)."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, OnStep, levels_of, steps_of
from modules.sampling.samplers.dpmpp import towards


def res_multistep(denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep) -> Tensor:
    """Let the denoised picture change along the step as it did from the last one, and integrate that exactly."""
    earlier: tuple[Tensor, Tensor] | None = None
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        lam, lam_following = -sigma.log(), -following.log()
        x = towards(x, denoised, lam, lam_following)
        if earlier is not None and following > 0:
            earlier_denoised, earlier_lam = earlier
            h = lam_following - lam
            change = (denoised - earlier_denoised) * (h / (lam - earlier_lam))
            x = x + (1 + (-h).expm1() / h) * change
        earlier = denoised, lam
    return x
