"""DPM-Solver++(2M) (arXiv:2211.01095, algorithm 2): second order with one model call per step."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, OnStep, levels_of, steps_of
from modules.sampling.samplers.dpmpp import towards


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep) -> Tensor:
    """Aim each step at the denoised picture as extrapolated from this step and the one before.

    A step to sigma 0 is of first order: there h is infinite and x becomes the denoised picture.
    """
    earlier: tuple[Tensor, Tensor] | None = None
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        lam, lam_following = -sigma.log(), -following.log()
        h = lam_following - lam
        target = denoised
        if earlier is not None and following > 0:
            earlier_denoised, earlier_h = earlier
            weight = 1 / (2 * (earlier_h / h))
            target = (1 + weight) * denoised - weight * earlier_denoised
        x = towards(x, target, lam, lam_following)
        earlier = denoised, h
    return x
