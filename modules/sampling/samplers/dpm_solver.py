"""DPM-Solver of order 1 to 3 (arXiv:2206.00927), which DPM fast and DPM adaptive are made of.

The paper's lambda is -log sigma here, and its alpha is 1. Steps begin and end at values of lambda, 0-dim tensors, and
are given eps [B,C,h,w], the noise of standard deviation 1 that the model sees in x where the step begins.
"""

import torch
from torch import Tensor

from modules.sampling.samplers.ancestral import ancestral_step
from modules.sampling.samplers.base import Denoise, levels_of


def ends_of(sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """Return lambda of the first level and of the last one that is not 0."""
    positive = sigmas[sigmas > 0]
    return -positive[0].log(), -positive[-1].log()


def lower_end(lam: Tensor, following: Tensor, end: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Split the step from `lam` to `following` into a deterministic part and fresh noise, but never go past `end`.

    Returns:
        Lambda of the level to go down to, and the standard deviation of the noise that leads back up to `following`.
    """
    if eta <= 0:
        return following, torch.zeros_like(following)
    sigma_following = (-following).exp()
    down, _ = ancestral_step((-lam).exp(), sigma_following, eta)
    lower = torch.minimum(end, -down.log())
    return lower, (sigma_following**2 - (-lower).exp() ** 2) ** 0.5


def eps_partway(denoise: Denoise, x: Tensor, eps: Tensor, lam: Tensor, following: Tensor, r: float) -> Tensor:
    """Return the noise that the model sees when a first-order step has gone the part `r` of its way."""
    middle = lam + r * (following - lam)
    sigma = (-middle).exp()
    partway = x - sigma * (r * (following - lam)).expm1() * eps
    return (partway - denoise(partway, levels_of(x, sigma))) / sigma


def first_order(x: Tensor, eps: Tensor, lam: Tensor, following: Tensor) -> Tensor:
    """DPM-Solver-1, which is DDIM."""
    return x - (-following).exp() * (following - lam).expm1() * eps


def second_order(x: Tensor, eps: Tensor, eps_r: Tensor, lam: Tensor, following: Tensor, r: float) -> Tensor:
    """DPM-Solver-2 (algorithm 1, for any `r`): `eps_r` is `eps_partway` at r."""
    sigma = (-following).exp()
    growth = (following - lam).expm1()
    return x - sigma * growth * eps - sigma / (2 * r) * growth * (eps_r - eps)


def third_order(denoise: Denoise, x: Tensor, eps: Tensor, eps_third: Tensor, lam: Tensor, following: Tensor) -> Tensor:
    """DPM-Solver-3 (algorithm 2): `eps_third` is `eps_partway` at r = 1/3; calls the model once more, at 2/3."""
    h = following - lam
    r_1, r_2 = 1 / 3, 2 / 3
    middle = lam + r_2 * h
    sigma = (-middle).exp()
    growth = (r_2 * h).expm1()
    partway = x - sigma * growth * eps - sigma * (r_2 / r_1) * (growth / (r_2 * h) - 1) * (eps_third - eps)
    eps_two_thirds = (partway - denoise(partway, levels_of(x, sigma))) / sigma
    sigma_following = (-following).exp()
    return x - sigma_following * h.expm1() * eps - sigma_following / r_2 * (h.expm1() / h - 1) * (eps_two_thirds - eps)
