"""TCD: trajectory consistency distillation (arXiv:2402.19159), for networks or LoRAs distilled for it.

Timesteps and rounding are those of diffusers' `TCDScheduler` (Apache-2.0).
"""

import torch
from torch import Tensor

from modules.sampling.samplers.base import NoiseSource, OnStep, levels_of
from modules.sampling.samplers.timesteps import TRAINED_TIMESTEPS, NoiseModel, TimestepOptions, TimestepSchedule

_DISTILLED_STEPS = 50
"""How many timesteps the distillation has seen: every 20th, up to the last."""


def tcd_schedule(steps: int, t_enc: int | None = None) -> TimestepSchedule:
    """Spread the steps over the timesteps of the distillation, of which there are 50, from the noisiest down to 0.

    In img2img the picture is noised up to where the run begins, and one step is the least.
    """
    spacing = TRAINED_TIMESTEPS // _DISTILLED_STEPS
    count = min(steps, _DISTILLED_STEPS)
    chosen = torch.arange(count) * _DISTILLED_STEPS // count
    timesteps = torch.cat((TRAINED_TIMESTEPS - 1 - spacing * chosen, torch.zeros(1, dtype=torch.int64)))
    if t_enc is not None:
        timesteps = timesteps[-1 - max(1, t_enc) :]
    return TimestepSchedule(timesteps=timesteps, noised_at=int(timesteps[0]))


def tcd(
    model: NoiseModel,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: TimestepOptions,
) -> Tensor:
    """Go further down than asked, to (1 - gamma) of the next timestep, then add noise up to it.

    The paper calls this strategic stochastic sampling. The last step, to timestep 0, adds none.
    """
    ends = timesteps[1:]
    depths = ((1 - options.gamma) * ends).long()
    alphas, alphas_below, alphas_after = (alphas_cumprod[t].to(x.dtype) for t in (timesteps[:-1], depths, ends))
    for i, (alpha, below, after) in enumerate(zip(alphas, alphas_below, alphas_after, strict=True)):
        eps = model(x, levels_of(x, timesteps[i]))
        denoised = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
        on_step(i, ((1 - alpha) / alpha).sqrt(), x, denoised)
        x = below.sqrt() * denoised + (1 - below).sqrt() * eps
        kept = after / below
        if kept < 1:
            x = kept.sqrt() * x + (1 - kept).sqrt() * noise.next()
    return x
