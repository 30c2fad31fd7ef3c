"""Where the steps of UniPC (arXiv:2302.04867) lie in time.

Grid and rounding are those of the authors' implementation (MIT): times are float32 whatever the table is, except where
they are found from a signal-to-noise ratio.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from modules.sampling.samplers.timesteps import TRAINED_TIMESTEPS, TimestepSchedule, uniform_schedule


def unipc_schedule(steps: int, t_enc: int | None = None) -> TimestepSchedule:
    """Return as many steps as DDIM has timesteps, evenly down to 0.

    Pure noise begins at T-1; in img2img the run begins where DDIM would. Only the first and the number count: `unipc`
    places the others by its skip type.
    """
    ddim = uniform_schedule(steps, t_enc)
    start = int(ddim.timesteps[0]) if t_enc else TRAINED_TIMESTEPS - 1
    return TimestepSchedule(timesteps=torch.linspace(start, 0, len(ddim.timesteps) + 1), noised_at=ddim.noised_at)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UniPCGrid:
    """Where the steps begin and end; everything is [steps + 1] and on the CPU.

    Attributes:
        timesteps: what the model is told, between whole timesteps.
        picture: sqrt(a), what is left of the picture's deviation.
        noise: sqrt(1 - a), how much noise there is.
        half_log_snr: the paper's lambda, log(picture / noise).
    """

    timesteps: Tensor
    picture: Tensor
    noise: Tensor
    half_log_snr: Tensor


def unipc_grid(start: Tensor, steps: int, alphas_cumprod: Tensor, skip_type: str) -> UniPCGrid:
    """Place the steps of a run that ends at timestep 0.

    Args:
        start: timestep where it begins, 0-dim.
        steps: how many there are.
        alphas_cumprod: [T], the table; levels have its precision.
        skip_type: see `UniPCOptions`.
    """
    logarithms = _Logarithms(alphas_cumprod)
    times = _times(start, steps + 1, logarithms, skip_type)
    log_alpha = logarithms.log_alpha(times)
    return UniPCGrid(
        timesteps=(times - 1 / TRAINED_TIMESTEPS) * TRAINED_TIMESTEPS,
        picture=log_alpha.exp(),
        noise=(1 - (2 * log_alpha).exp()).sqrt(),
        half_log_snr=logarithms.half_log_snr(times),
    )


class _Logarithms:
    """Logarithms of what is left of the picture's deviation, linear in time between the trained timesteps.

    Time t is (timestep + 1) / T, so that it ends at 1 / T.
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        """Take the table [T]; results have its precision."""
        self._times = torch.linspace(0, 1, len(alphas_cumprod) + 1)[1:]
        self._log_alphas = 0.5 * alphas_cumprod.log()

    def log_alpha(self, t: Tensor) -> Tensor:
        """Return log sqrt(a) for times of any shape [n]."""
        return _interpolate(t, self._times, self._log_alphas)

    def half_log_snr(self, t: Tensor) -> Tensor:
        """Return the paper's lambda, log sqrt(a / (1 - a))."""
        log_alpha = self.log_alpha(t)
        return log_alpha - 0.5 * (1 - (2 * log_alpha).exp()).log()

    def time(self, half_log_snr: Tensor) -> Tensor:
        """Return the times [n] of these lambdas."""
        log_alpha = -0.5 * torch.logaddexp(torch.zeros(()), -2 * half_log_snr)
        return _interpolate(log_alpha, self._log_alphas.flip(0), self._times.flip(0))


def _interpolate(x: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Follow the broken line through (xs, ys), xs ascending, and on along its first and last pieces."""
    low = (torch.searchsorted(xs, x.to(xs.dtype)) - 1).clamp(0, len(xs) - 2)
    return ys[low] + (x - xs[low]) * (ys[low + 1] - ys[low]) / (xs[low + 1] - xs[low])


def _times(start: Tensor, count: int, logarithms: _Logarithms, skip_type: str) -> Tensor:
    """Return times [count], the first that of the timestep `start`, the last that of timestep 0."""
    end = 1 / TRAINED_TIMESTEPS
    first = start / TRAINED_TIMESTEPS + end
    if skip_type == "time_quadratic":
        return torch.linspace(first.item() ** 0.5, end**0.5, count).square()
    if skip_type == "logSNR":
        low, high = logarithms.half_log_snr(torch.stack((first, torch.tensor(end))))
        return logarithms.time(torch.linspace(low.item(), high.item(), count))
    return torch.linspace(first.item(), end, count)
