"""One run of the sampler: schedule, noise, solver, step hook and cancellation put together."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.samplers import find_sampler
from modules.sampling.noise import ImageNoise
from modules.sampling.prediction import DiscreteNoise
from modules.sampling.samplers.base import Denoise
from modules.sampling.samplers.registry import SOLVERS
from modules.sampling.schedules import make_sigmas, resolve_schedule


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepState:
    """What a step hook sees; the tensors are the solver's own and are not to be changed.

    Attributes:
        i: number of the step, from 0.
        steps: how many there are.
        sigma: noise level of `x`.
        x: [B,C,h,w] before the step.
        denoised: [B,C,h,w] what the model makes of `x`.
    """

    i: int
    steps: int
    sigma: float
    x: Tensor
    denoised: Tensor


StepHook = Callable[[StepState], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPlan:
    """How to get from noise to a picture.

    Attributes:
        sampler: label of a sampler.
        scheduler: label of a schedule type, Automatic included.
        steps: how many steps to take.
        eta: strength of ancestral noise, 0..1.
    """

    sampler: str
    scheduler: str
    steps: int
    eta: float = 1.0


def sample(
    denoise: Denoise,
    plan: SamplingPlan,
    *,
    levels: DiscreteNoise,
    noise: ImageNoise,
    on_step: StepHook,
    token: CancelToken,
) -> Tensor:
    """Make latents from noise.

    Args:
        denoise: the model, for instance a `GuidedDenoiser`.
        plan: what to do.
        levels: the noise levels the model was trained on.
        noise: nothing drawn from it yet.
        on_step: called once per step.
        token: asked before every model call.

    Returns:
        Latents [B,C,h,w], float32, in the model's own scale.

    Raises:
        UnknownName: no such sampler or schedule type.
        Interrupted: the job was asked to stop.
        Skipped: the batch was asked to stop.
    """
    info = find_sampler(plan.sampler)
    sigmas = make_sigmas(resolve_schedule(info, plan.scheduler), plan.steps, levels)

    def cancellable(x: Tensor, sigma: Tensor) -> Tensor:
        token.check()
        return denoise(x, sigma)

    def report(i: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
        on_step(StepState(i=i, steps=plan.steps, sigma=sigma.item(), x=x, denoised=denoised))

    start = noise.first() * sigmas[0]
    return SOLVERS[info.name](cancellable, start, sigmas, noise, report, eta=plan.eta)
