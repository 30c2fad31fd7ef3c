"""Which noise levels a run visits: from the highest downwards, nearly always to 0.

The curves are those of A1111 1.10: uniform, Karras, exponential and polyexponential are k-diffusion's (MIT), the others
come from the papers named.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import betaincinv  # pyright: ignore[reportMissingTypeStubs] # scipy ships none
from torch import Tensor

from modules.core.errors import InvalidRequest, UnknownName
from modules.core.samplers import AUTOMATIC, UNIFORM, SamplerInfo, find_scheduler
from modules.sampling.prediction import DiscreteNoise

OLD_KARRAS_ENDS = 0.1, 10.0
"""Lowest and highest level of all curves that have ends, before A1111 1.1 took them from the model."""

ALIGN_YOUR_STEPS_SD1 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
ALIGN_YOUR_STEPS_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)
"""The levels that were found best for ten steps (arXiv:2404.14507; published by its authors for each family)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions:
    """What bends a schedule; each curve uses what it knows.

    Attributes:
        sigma_min: lowest noise level above 0; 0 for the model's.
        sigma_max: highest noise level; 0 for the model's.
        rho: the curve's exponent; 0 for its own.
        old_karras_sigmas: 0.1 and 10 take the place of the model's lowest and highest level.
        discard_next_to_last_sigma: compute one level more, and leave out the last above 0; samplers that do so by
            themselves do it once.
        beta_alpha: first shape parameter of the Beta curve, above 0.
        beta_beta: second shape parameter of the Beta curve, above 0.
        align_your_steps: the levels that were optimised for the model's family, descending.
    """

    sigma_min: float = 0.0
    sigma_max: float = 0.0
    rho: float = 0.0
    old_karras_sigmas: bool = False
    discard_next_to_last_sigma: bool = False
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    align_your_steps: tuple[float, ...] = ALIGN_YOUR_STEPS_SD1


DEFAULTS = ScheduleOptions()

Curve = Callable[[int, DiscreteNoise, ScheduleOptions], Tensor]
"""(steps, levels of the model, options in which nothing is left to the curve) → all noise levels, float32, descending.

Most curves take `steps` steps; see `ddim`.
"""


def uniform(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Space the model's timesteps evenly, from the last to the first."""
    del options
    return _then_zero(noise.t_to_sigma(torch.linspace(noise.t_max, noise.t_min, steps)))


def karras(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Space sigma^(1/rho) evenly (arXiv:2206.00364, equation 5)."""
    del noise
    low, high = options.sigma_min ** (1 / options.rho), options.sigma_max ** (1 / options.rho)
    return _then_zero((high + torch.linspace(0, 1, steps) * (low - high)) ** options.rho)


def exponential(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Space log sigma evenly."""
    del noise
    return _then_zero(torch.linspace(math.log(options.sigma_max), math.log(options.sigma_min), steps).exp())


def polyexponential(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Let log sigma fall as a power of the steps that are left; rho = 1 is the exponential curve."""
    del noise
    low, high = math.log(options.sigma_min), math.log(options.sigma_max)
    return _then_zero((torch.linspace(1, 0, steps) ** options.rho * (high - low) + low).exp())


def sgm_uniform(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Space the timesteps evenly so that one more step would reach the lowest level (arXiv:2307.01952, its code)."""
    return _then_zero(noise.t_to_sigma(_timesteps(steps + 1, noise, options)[:-1]))


def normal(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Space the timesteps evenly between the levels asked for."""
    return _then_zero(noise.t_to_sigma(_timesteps(steps, noise, options)))


def kl_optimal(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Space arctan sigma evenly: optimal for pictures that are normally distributed (arXiv:2404.14507, section 3.1).

    It ends at the lowest level, not at 0.
    """
    del noise
    low, high = torch.tensor((options.sigma_min, options.sigma_max)).arctan()
    fallen = torch.arange(steps + 1) / steps
    return (fallen * low + (1 - fallen) * high).tan()


def align_your_steps(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Read log sigma off the optimised levels, linearly where they have none (arXiv:2404.14507)."""
    del noise
    ascending = np.log(options.align_your_steps[::-1])
    levels = np.exp(np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, len(ascending)), ascending))
    return _then_zero(torch.tensor(levels, dtype=torch.float32).flip(0))


def simple(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Take levels of the model's table at even distances, the highest first."""
    del options
    distance = len(noise.sigmas) / steps
    return _then_zero(noise.sigmas[[-1 - int(i * distance) for i in range(steps)]].float())


def ddim(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Take the second level of the model's table, and the next ones at an even distance (arXiv:2010.02502, its code).

    The distance is a whole number, so there may be more than `steps` steps: 13 for 12.
    """
    del options
    distance = max(len(noise.sigmas) // steps, 1)
    return _then_zero(noise.sigmas[1::distance].flip(0).float())


def beta(steps: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """Space the levels as quantiles of a Beta distribution, close at both ends (arXiv:2407.12173)."""
    del noise
    quantiles = betaincinv(options.beta_alpha, options.beta_beta, 1 - np.linspace(0, 1, steps))
    levels = options.sigma_min + quantiles * (options.sigma_max - options.sigma_min)
    return _then_zero(torch.tensor(levels, dtype=torch.float32))


CURVES: dict[str, Curve] = {
    UNIFORM: uniform,
    "Karras": karras,
    "Exponential": exponential,
    "Polyexponential": polyexponential,
    "SGM Uniform": sgm_uniform,
    "KL Optimal": kl_optimal,
    "Align Your Steps": align_your_steps,
    "Simple": simple,
    "Normal": normal,
    "DDIM": ddim,
    "Beta": beta,
}
"""By label of `core.samplers.SCHEDULERS`; Automatic is resolved before."""


def resolve_schedule(sampler: SamplerInfo, scheduler: str) -> str:
    """Return the label of the schedule type that `scheduler` means for `sampler`."""
    return sampler.automatic_schedule if scheduler == AUTOMATIC else scheduler


def make_sigmas(
    scheduler: str,
    steps: int,
    noise: DiscreteNoise,
    options: ScheduleOptions = DEFAULTS,
    *,
    discard_next_to_last: bool = False,
) -> Tensor:
    """Return the noise levels of a run.

    Args:
        scheduler: label of a schedule type, Automatic already resolved.
        steps: how many steps the run takes; 0 for none.
        noise: the model's table of levels.
        options: what bends the curve.
        discard_next_to_last: the sampler asks for it (`SamplerInfo.discard_next_to_last_sigma`).

    Returns:
        float32 [steps + 1] on the CPU, descending; the last is 0, but for "KL Optimal". "DDIM" may have more.

    Raises:
        UnknownName: there is no such curve.
        InvalidRequest: the lowest level asked for is not below the highest.
    """
    if scheduler not in CURVES:
        raise UnknownName(f"Schedule type not found: “{scheduler}”. Known schedule types: {', '.join(CURVES)}.")
    if steps == 0:
        return torch.zeros(1)
    discards = discard_next_to_last or options.discard_next_to_last_sigma
    sigmas = CURVES[scheduler](steps + int(discards), noise, _complete(options, scheduler, noise))
    return torch.cat((sigmas[:-2], sigmas[-1:])) if discards else sigmas


def starting_scale(sigma: Tensor, *, sgm_noise_multiplier: bool) -> Tensor:
    """Return the factor of the noise a run from nothing begins with, 0-dim.

    Args:
        sigma: the run's first level, 0-dim.
        sgm_noise_multiplier: add the variance that a picture has, 1, as Stability's `generative-models` (sgm) does.
    """
    return (1 + sigma**2).sqrt() if sgm_noise_multiplier else sigma


def schedule_fields(
    sampler: SamplerInfo, scheduler: str, noise: DiscreteNoise, options: ScheduleOptions
) -> dict[str, float | bool]:
    """Return what an infotext says of a schedule beside its type, in A1111 1.10's order.

    Args:
        sampler: the sampler of the run.
        scheduler: label of a schedule type, Automatic included: where it means "Uniform", only the discarded level
            is said.
        noise: the model's table of levels; what equals its ends is not said.
        options: the run's.
    """
    fields: dict[str, float | bool] = {}
    if options.discard_next_to_last_sigma and not sampler.discard_next_to_last_sigma:
        fields["Discard penultimate sigma"] = True
    info = find_scheduler(resolve_schedule(sampler, scheduler))
    if sampler.timesteps or (scheduler == AUTOMATIC and info.label == UNIFORM):
        return fields
    if options.sigma_min not in (0, noise.sigma_min):
        fields["Schedule min sigma"] = options.sigma_min
    if options.sigma_max not in (0, noise.sigma_max):
        fields["Schedule max sigma"] = options.sigma_max
    if info.default_rho != -1 and options.rho not in (0, info.default_rho):
        fields["Schedule rho"] = options.rho
    if info.label == "Beta":
        fields |= {"Beta schedule alpha": options.beta_alpha, "Beta schedule beta": options.beta_beta}
    return fields


def _complete(options: ScheduleOptions, scheduler: str, noise: DiscreteNoise) -> ScheduleOptions:
    """Fill in what the options leave to the model and to the curve."""
    low, high = OLD_KARRAS_ENDS if options.old_karras_sigmas else (noise.sigma_min, noise.sigma_max)
    low, high = options.sigma_min or low, options.sigma_max or high
    if not low < high:
        raise InvalidRequest(
            f"The schedule cannot go from {high:g} down to {low:g}. Change the settings sigma_min and sigma_max."
        )
    return replace(options, sigma_min=low, sigma_max=high, rho=options.rho or find_scheduler(scheduler).default_rho)


def _timesteps(count: int, noise: DiscreteNoise, options: ScheduleOptions) -> Tensor:
    """That many timesteps at even distances between the levels asked for, descending."""
    high, low = noise.sigma_to_t(torch.tensor((options.sigma_max, options.sigma_min)))
    return torch.linspace(high.item(), low.item(), count)


def _then_zero(levels: Tensor) -> Tensor:
    return torch.cat((levels, levels.new_zeros(1)))
