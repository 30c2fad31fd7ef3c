"""DPM-Solver-fast (arXiv:2206.00927, section 3.4): a given number of model calls, spent on steps of third order."""

import torch
from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of
from modules.sampling.samplers.dpm_solver import (
    ends_of,
    eps_partway,
    first_order,
    lower_end,
    second_order,
    third_order,
)


def dpm_fast(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Space the steps evenly in log sigma between the first level and the last that is not 0, where x stays.

    Of the schedule, only these two levels and the number of steps are used; the latter is the number of model calls.
    `on_step` hears of each third-order step once. From a single level x goes straight to what the model makes of it.
    """
    start, end = ends_of(sigmas)
    orders = _orders(len(sigmas) - 1)
    lams = torch.linspace(start.item(), end.item(), len(orders) + 1, dtype=sigmas.dtype)
    for i, order in enumerate(orders):
        lam = lams[i]
        sigma = (-lam).exp()
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        if start == end:
            return denoised
        eps = (x - denoised) / sigma
        lower, up = lower_end(lam, lams[i + 1], end, options.eta)
        x = _step(denoise, x, eps, lam, lower, order)
        if up > 0:
            x = x + noise.next() * (up * options.s_noise)
    return x


def _orders(calls: int) -> list[int]:
    """Return the order of each step: as many third orders as leave calls for at least one lower order at the end."""
    thirds, rest = divmod(calls, 3)
    return [3] * thirds + [rest] if rest else [3] * (thirds - 1) + [2, 1]


def _step(denoise: Denoise, x: Tensor, eps: Tensor, lam: Tensor, following: Tensor, order: int) -> Tensor:
    if order == 1:
        return first_order(x, eps, lam, following)
    if order == 2:
        return second_order(x, eps, eps_partway(denoise, x, eps, lam, following, 1 / 2), lam, following, 1 / 2)
    return third_order(denoise, x, eps, eps_partway(denoise, x, eps, lam, following, 1 / 3), lam, following)
