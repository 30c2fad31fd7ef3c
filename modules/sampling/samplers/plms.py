"""PLMS: pseudo linear multistep (arXiv:2202.09778, algorithm 2), with the warm-up of latent diffusion (MIT)."""

from collections import deque

from torch import Tensor

from modules.sampling.samplers.adams_bashforth import adams_bashforth
from modules.sampling.samplers.base import NoiseSource, OnStep, levels_of
from modules.sampling.samplers.ddim import DdimStep
from modules.sampling.samplers.timesteps import NoiseModel, TimestepOptions


def plms(
    model: NoiseModel,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: TimestepOptions,
) -> Tensor:
    """Go as DDIM does, by the noise extrapolated from this step and up to three before it.

    The first step has none before it: it tries DDIM's step, calls the model a second time at its end, and takes the
    mean of both.
    """
    del noise, options
    earlier: deque[Tensor] = deque(maxlen=3)
    for step in DdimStep.all_of(x, timesteps, alphas_cumprod, eta=0.0):
        eps = model(x, levels_of(x, step.timestep))
        if earlier:
            mean = adams_bashforth(eps, earlier)
        else:
            end = step.renoised(step.denoised(x, eps), eps)
            mean = (eps + model(end, levels_of(x, step.end))) / 2
        earlier.append(eps)
        denoised = step.denoised(x, mean)
        on_step(step.i, step.sigma, x, denoised)
        x = step.renoised(denoised, mean)
    return x
