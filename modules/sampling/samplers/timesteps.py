"""What solvers see that count in training timesteps instead of noise levels: DDIM and its relatives.

Their pictures are scaled so that the variance stays at 1 while noise is added (arXiv:2006.11239):
x = sqrt(a) · picture + sqrt(1 - a) · noise, where a is `alphas_cumprod` at the timestep of x.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from modules.sampling.samplers.base import NoiseSource, OnStep

TRAINED_TIMESTEPS = 1000
"""How many timesteps every Stable Diffusion model was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoisePrediction:
    """The noise in x [B,C,h,w] as seen with and without guidance.

    Attributes:
        guided: [B,C,h,w] uncond + CFG scale · (cond - uncond).
        unguided: [B,C,h,w] what the negative prompt alone says.
    """

    guided: Tensor
    unguided: Tensor


class NoiseModel(Protocol):
    """The model: predicts the noise (standard deviation 1) in x [B,C,h,w] at the timesteps t [B].

    A timestep is 0..T-1, of the type of x, and not always a whole number.
    """

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the noise with guidance, [B,C,h,w]."""
        ...

    def with_unguided(self, x: Tensor, t: Tensor) -> NoisePrediction:
        """Return it with and without guidance; asks the negative prompt even where the CFG scale is 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UniPCOptions:
    """How UniPC goes.

    Attributes:
        variant: the paper's B(h) is h or e^h - 1 (arXiv:2302.04867), or there is none and the coefficients vary.
        skip_type: what is evenly spaced: time, the root of time, or the logarithm of the signal-to-noise ratio.
        order: of the method, 1 or more; what the steps before it suffice for if that is less.
        lower_order_final: lower the order towards the last step, which steadies runs of few steps.
    """

    variant: Literal["bh1", "bh2", "vary_coeff"] = "bh1"
    skip_type: Literal["time_uniform", "time_quadratic", "logSNR"] = "time_uniform"
    order: int = 3
    lower_order_final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestepOptions:
    """What can be chosen; each solver uses what its method knows.

    Attributes:
        eta: how much of each step of DDIM is made of fresh noise, 0..1.
        gamma: how far below its end each step of TCD goes before fresh noise leads back up, 0..1.
        unipc: how UniPC goes.
    """

    eta: float = 0.0
    gamma: float = 0.3
    unipc: UniPCOptions = field(default_factory=UniPCOptions)


class TimestepSampler(Protocol):
    """A solver in terms of training timesteps."""

    def __call__(
        self,
        model: NoiseModel,
        x: Tensor,
        timesteps: Tensor,
        alphas_cumprod: Tensor,
        noise: NoiseSource,
        on_step: OnStep,
        options: TimestepOptions,
    ) -> Tensor:
        """Take `x` [B,C,h,w] from timesteps[0] down to timesteps[-1].

        Args:
            model: the model.
            x: pictures with noise, at the scale of this module.
            timesteps: [steps + 1], descending, on the CPU; x comes back as it is if there are fewer than two.
            alphas_cumprod: [T], how much of the picture's variance is left at each timestep, on the CPU.
            noise: for solvers that add noise.
            on_step: called after the model, before x moves on. The noise level is that of k-diffusion's
                samplers, sqrt((1 - a) / a), while x is at the scale of this module.
            options: what can be chosen.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimestepSchedule:
    """Which timesteps a run visits.

    Attributes:
        timesteps: [steps + 1], descending, on the CPU. One or none: there is nothing to do.
        noised_at: timestep up to which a picture is noised before the run (img2img); pure noise goes without.
    """

    timesteps: Tensor
    noised_at: int


MakeSchedule = Callable[[int, int | None], TimestepSchedule]
"""(steps, t_enc) → schedule.

Pure noise takes all steps (t_enc None); a picture in img2img takes about the last `t_enc` of them (0..steps-1).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestepMethod:
    """A solver and the timesteps that it is made for."""

    solve: TimestepSampler
    schedule: MakeSchedule


def uniform_schedule(steps: int, t_enc: int | None = None) -> TimestepSchedule:
    """Space whole timesteps evenly, as A1111 does for DDIM and PLMS: 1 and every (1000 // steps)th after it.

    There may be more of them than steps, and 1 is where the run ends, so that `steps` of 8 are 7 steps and 13 are 13.
    In img2img the picture is noised one timestep higher than the run begins.
    """
    spacing = max(1, TRAINED_TIMESTEPS // steps)
    timesteps = torch.arange(1, TRAINED_TIMESTEPS + 1, spacing).clamp(max=TRAINED_TIMESTEPS - 1).flip(0)
    if t_enc is None:
        return TimestepSchedule(timesteps=timesteps, noised_at=TRAINED_TIMESTEPS - 1)
    start = len(timesteps) - t_enc
    return TimestepSchedule(timesteps=timesteps[start:], noised_at=int(timesteps[start - 1]))
