"""Which noise levels a run visits: from the highest down to 0. Curves as in k-diffusion (MIT)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from modules.core.errors import UnknownName
from modules.core.samplers import AUTOMATIC, SamplerInfo
from modules.sampling.prediction import DiscreteNoise

Curve = Callable[[int, DiscreteNoise], Tensor]


def uniform(steps: int, noise: DiscreteNoise) -> Tensor:
    """Space the timesteps evenly."""
    return noise.t_to_sigma(torch.linspace(len(noise.sigmas) - 1, 0, steps))


def karras(steps: int, noise: DiscreteNoise) -> Tensor:
    """Space sigma^(1/7) evenly (arXiv:2206.00364, equation 5 with rho = 7)."""
    rho = 7.0
    low, high = noise.sigma_min ** (1 / rho), noise.sigma_max ** (1 / rho)
    return (high + torch.linspace(0, 1, steps) * (low - high)) ** rho


def exponential(steps: int, noise: DiscreteNoise) -> Tensor:
    """Space log sigma evenly."""
    return torch.linspace(math.log(noise.sigma_max), math.log(noise.sigma_min), steps).exp()


CURVES: dict[str, Curve] = {"Uniform": uniform, "Karras": karras, "Exponential": exponential}
"""By label of `core.samplers.SCHEDULERS`; Automatic is resolved before."""


def resolve_schedule(sampler: SamplerInfo, scheduler: str) -> str:
    """Return the label of the schedule type that `scheduler` means for `sampler`."""
    return sampler.automatic_schedule if scheduler == AUTOMATIC else scheduler


def make_sigmas(scheduler: str, steps: int, noise: DiscreteNoise) -> Tensor:
    """Return the noise levels of a run.

    Args:
        scheduler: label of a schedule type, Automatic already resolved.
        steps: how many steps the run takes.
        noise: the model's table of levels.

    Returns:
        float32 [steps + 1] on the CPU, descending from about sigma_max; the last is 0.

    Raises:
        UnknownName: there is no such curve.
    """
    curve = CURVES.get(scheduler)
    if curve is None:
        raise UnknownName(f"Schedule type not found: “{scheduler}”. Known schedule types: {', '.join(CURVES)}.")
    return torch.cat((curve(steps, noise), torch.zeros(1)))
