"""DDIM with CFG++ (arXiv:2406.08070, algorithm 2): guidance that stays on the manifold of pictures."""

import torch
from torch import Tensor

from modules.sampling.samplers.base import NoiseSource, OnStep, levels_of
from modules.sampling.samplers.ddim import DdimStep
from modules.sampling.samplers.timesteps import NoiseModel, TimestepOptions

_FULL_CFG_SCALE = 12.5
"""The CFG scale at which CFG++'s lambda is 1, so that people keep their scale when they change the sampler."""


def ddim_cfgpp(
    model: NoiseModel,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: TimestepOptions,
) -> Tensor:
    """Denoise with a little guidance, put back the noise that the negative prompt alone sees."""
    for step in DdimStep.all_of(x, timesteps, alphas_cumprod, options.eta):
        eps = model.with_unguided(x, levels_of(x, step.timestep))
        denoised = step.denoised(x, torch.lerp(eps.unguided, eps.guided, 1 / _FULL_CFG_SCALE))
        on_step(step.i, step.sigma, x, denoised)
        x = step.renoised(denoised, eps.unguided)
        if options.eta > 0:
            x = x + step.fresh * noise.next()
    return x
