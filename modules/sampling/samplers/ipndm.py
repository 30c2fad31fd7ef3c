"""IPNDM, improved PNDM (arXiv:2204.13902): Adams-Bashforth in sigma, lower orders for the first steps."""

from collections import deque

from torch import Tensor

from modules.sampling.samplers.adams_bashforth import adams_bashforth
from modules.sampling.samplers.base import Denoise, OnStep, levels_of, steps_of


def ipndm(denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep, max_order: int = 4) -> Tensor:
    """Extrapolate the slope from this step and those before it as if all steps had the same width.

    A step to noise level 0 ends at the denoised picture.

    Args:
        denoise: see `Sampler`, as the others.
        x: [B,C,h,w].
        sigmas: [steps + 1].
        on_step: called once per step.
        max_order: how many slopes are used, 1 (Euler's method) to 4.
    """
    earlier: deque[Tensor] = deque(maxlen=max_order - 1)
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        slope = (x - denoised) / sigma
        x = denoised if following == 0 else x + adams_bashforth(slope, earlier) * (following - sigma)
        earlier.append(slope)
    return x
