"""Restart sampling (arXiv:2306.14878, algorithm 1): Heun steps that go back up, with fresh noise, and down again."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.heun import heun_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where noise is added again; the paper's [t_min, t_max].

    Attributes:
        low: noise level from which to restart; the nearest of the schedule is used.
        high: noise level to go back to; the nearest of the schedule is used.
        steps: from there down again.
        times: how often.
    """

    low: float
    high: float
    steps: int
    times: int


def restart(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: SolverOptions,
    intervals: Sequence[Interval] | None = None,
) -> Tensor:
    """Follow the schedule, and each interval as often as it says when its lower end is reached.

    Without `intervals` they are A1111's: none below 20 steps; from then on one from 0.1 to 2 takes its steps from those
    of the schedule, which becomes Karras' curve, so that their number stays what it was.
    """
    if intervals is None:
        sigmas, intervals = _within(sigmas)
    reached: Tensor | None = None
    for i, (sigma, following) in enumerate(_path(sigmas, intervals)):
        if reached is not None and reached < sigma:
            x = x + noise.next() * ((sigma**2 - reached**2) ** 0.5 * options.s_noise)
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        x = heun_step(denoise, x, denoised, sigma, following)
        reached = following
    return x


def _within(sigmas: Tensor) -> tuple[Tensor, list[Interval]]:
    """Return a schedule and A1111's interval, which together have as many steps as `sigmas` has."""
    steps = len(sigmas) - 1
    if steps < 20:
        return sigmas, []
    per_restart, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    rest = _karras(steps - per_restart * times, sigmas[0].item(), sigmas[-2].item())
    return torch.cat((rest, rest.new_zeros(1))), [Interval(low=0.1, high=2, steps=per_restart, times=times)]


def _path(sigmas: Tensor, intervals: Sequence[Interval]) -> list[tuple[Tensor, Tensor]]:
    """Return where each step begins and ends."""
    by_low = {_nearest(sigmas, interval.low): interval for interval in intervals}
    path: list[tuple[Tensor, Tensor]] = []
    for i, sigma, following in steps_of(sigmas):
        path.append((sigma, following))
        interval = by_low.get(i + 1)
        if interval is None:
            continue
        top = _nearest(sigmas, interval.high)
        if top <= i:
            again = _karras(interval.steps + 1, sigmas[top].item(), following.item())
            path += list(pairwise(again)) * interval.times
    return path


def _nearest(sigmas: Tensor, level: float) -> int:
    return int((sigmas - level).abs().argmin())


def _karras(levels: int, high: float, low: float) -> Tensor:
    """Space sigma^(1/7) evenly (arXiv:2206.00364, equation 5); float32, both ends included."""
    rho = 7
    top, bottom = high ** (1 / rho), low ** (1 / rho)
    return (top + torch.linspace(0, 1, levels) * (bottom - top)) ** rho
