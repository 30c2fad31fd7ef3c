"""Heun++: up to three slopes per step, weighted by their noise levels (Carzit's sd-webui-samplers-scheduler, MIT)."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.churn import churn


def heunpp2(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Walk up to three Euler steps ahead, then take the first one by the weighted mean of the slopes on the way.

    The model is called once per slope: three times a step, twice in the last step but one, once in the last.
    """
    steps = len(sigmas) - 1
    for i, level, following in steps_of(sigmas):
        x, sigma = churn(x, level, steps, noise, options)
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        first = slope = mean = (x - denoised) / sigma
        ahead, start = x, sigma
        count = min(3, steps - i)
        for end in sigmas[i + 1 : i + count]:
            ahead = ahead + slope * (end - start)
            slope = (ahead - denoise(ahead, levels_of(ahead, end))) / end
            mean = mean + end / (count * sigmas[0]) * (slope - first)
            start = end
        x = x + mean * (following - sigma)
    return x
