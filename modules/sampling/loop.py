"""One run of a sampler: schedule, noise, solver, masks, step hook and cancellation put together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.samplers import SamplerInfo, find_sampler
from modules.sampling.img2img_steps import img2img_sigmas, img2img_steps
from modules.sampling.inpainting import LatentBlend
from modules.sampling.noise import ImageNoise
from modules.sampling.prediction import DiscreteNoise, per_picture
from modules.sampling.samplers.base import SolverOptions
from modules.sampling.samplers.registry import SOLVERS, TIMESTEP_METHODS
from modules.sampling.samplers.timesteps import NoisePrediction, TimestepOptions
from modules.sampling.schedules import ScheduleOptions, make_sigmas, resolve_schedule, starting_scale


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepState:
    """What a step hook sees; the tensors are the solver's own and are not to be changed.

    Attributes:
        i: number of the step, from 0.
        steps: how many there are, as far as that is known.
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


class Denoiser(Protocol):
    """The model as this module needs it, for instance a `GuidedDenoiser`."""

    def __call__(self, x: Tensor, sigma: Tensor, t: Tensor | None = None) -> Tensor:
        """Return the denoised pictures [B,C,h,w] for noisy ones at the noise levels `sigma` [B], or timesteps `t`."""
        ...

    def with_unguided(self, x: Tensor, sigma: Tensor, t: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the same, and what the negative prompts alone make of `x`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPlan:
    """How to get from noise to a picture.

    Attributes:
        sampler: label of a sampler.
        scheduler: label of a schedule type, Automatic included.
        steps: how many steps to take.
        solver: how solvers in terms of noise levels add noise.
        timesteps: what can be chosen of solvers in terms of timesteps.
        schedule: what bends the schedule.
        sgm_noise_multiplier: begin with the variance of a picture added to that of the noise.
    """

    sampler: str
    scheduler: str
    steps: int
    solver: SolverOptions = field(default_factory=SolverOptions)
    timesteps: TimestepOptions = field(default_factory=TimestepOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    sgm_noise_multiplier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beginning:
    """The picture that a run begins with; a run without one begins with noise.

    Attributes:
        latent: [B or 1,C,h,w].
        strength: how much of it is made anew, 0..1.
        exact: take as many steps as the plan says, whatever the strength.
        noise_multiplier: factor of the noise that is added to it.
        extra_noise: factor of the same noise added once more.
    """

    latent: Tensor
    strength: float
    exact: bool = False
    noise_multiplier: float = 1.0
    extra_noise: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What both kinds of solvers need for one run.

    Attributes:
        denoise: the model.
        plan: what to do.
        levels: the noise levels the model was trained on.
        noise: nothing drawn from it yet.
        on_step: called once per step.
        beginning: the picture to begin with, None for none.
        blend: keeps a part of it, None for nothing.
        token: asked before every model call.
    """

    denoise: Denoiser
    plan: SamplingPlan
    levels: DiscreteNoise
    noise: ImageNoise
    on_step: StepHook
    beginning: Beginning | None = None
    blend: LatentBlend | None = None
    token: CancelToken


def sample(run: Run) -> Tensor:
    """Make latents.

    Returns:
        Latents [B,C,h,w], float32, in the model's own scale.

    Raises:
        UnknownName: no such sampler or schedule type.
        InvalidRequest: the schedule is impossible.
        Interrupted: the job was asked to stop.
        Skipped: the batch was asked to stop.
    """
    info = find_sampler(run.plan.sampler)
    latent = _by_timesteps(run, info) if info.timesteps else _by_noise_levels(run, info)
    return latent if run.blend is None else run.blend.final(latent)


def _by_noise_levels(run: Run, info: SamplerInfo) -> Tensor:
    schedule, sigmas, start = _start(run, info)
    steps = len(sigmas) - 1
    if steps == 0:  # a strength of 0
        return start

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        run.token.check()
        denoised = run.denoise(x, sigma)
        return denoised if run.blend is None else run.blend(denoised, sigma)

    def report(i: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
        run.on_step(StepState(i=i, steps=steps, sigma=sigma.item(), x=x, denoised=denoised))

    return SOLVERS[info.name](denoise, start, sigmas, run.noise.over(schedule), report, run.plan.solver)


def _start(run: Run, info: SamplerInfo) -> tuple[Tensor, Tensor, Tensor]:
    """Return the noise levels of the full schedule, those of the run, and what it begins with."""
    plan, beginning = run.plan, run.beginning
    steps, t_enc = plan.steps, plan.steps - 1
    if beginning is not None:
        steps, t_enc = img2img_steps(steps, beginning.strength, exact=beginning.exact)
    schedule = make_sigmas(
        resolve_schedule(info, plan.scheduler),
        steps,
        run.levels,
        plan.schedule,
        discard_next_to_last=info.discard_next_to_last_sigma,
    )
    if beginning is None:
        sigmas = _ends(run.levels, steps) if info.ends_only else _distinct(schedule)
        scale = starting_scale(sigmas[0], sgm_noise_multiplier=plan.sgm_noise_multiplier)
        return schedule, sigmas, run.noise.first() * scale
    sigmas = _distinct(img2img_sigmas(schedule, steps, t_enc))
    noise = run.noise.first() * beginning.noise_multiplier
    start = beginning.latent + noise * sigmas[0]
    return schedule, sigmas, start + noise * beginning.extra_noise if beginning.extra_noise else start


def _distinct(sigmas: Tensor) -> Tensor:
    """Leave out repeated levels, which some curves have: between equal ones is no step."""
    return sigmas[torch.cat((sigmas[:1] == sigmas[:1], sigmas[1:] != sigmas[:-1]))]


def _ends(levels: DiscreteNoise, steps: int) -> Tensor:
    """Return a schedule [steps + 1] of which only the ends matter."""
    return torch.linspace(levels.sigma_max, levels.sigma_min, steps + 1)


def _by_timesteps(run: Run, info: SamplerInfo) -> Tensor:
    method, beginning = TIMESTEP_METHODS[info.name], run.beginning
    more = int(run.plan.schedule.discard_next_to_last_sigma)  # A1111 makes the schedule longer, but discards nothing
    alphas = run.levels.alphas_cumprod
    if beginning is None:
        timesteps = method.schedule(run.plan.steps + more, None).timesteps
        start = run.noise.first()
    else:
        steps, t_enc = img2img_steps(run.plan.steps, beginning.strength, exact=beginning.exact)
        if steps == 0:  # a strength of 0
            return beginning.latent.expand_as(run.noise.first())
        schedule = method.schedule(steps + more, t_enc)
        timesteps, alpha = schedule.timesteps, alphas[schedule.noised_at]
        added = run.noise.first() * beginning.noise_multiplier
        start = beginning.latent * alpha.sqrt() + added * (1 - alpha).sqrt()
        if beginning.extra_noise:
            start = start + added * (beginning.extra_noise * alpha.sqrt())
    total = max(1, len(timesteps) - 1)

    def report(i: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
        run.on_step(StepState(i=i, steps=total, sigma=sigma.item(), x=x, denoised=denoised))

    model = _NoiseModel(run)
    noise = run.noise.over(run.levels.sigmas)
    return method.solve(model, start, timesteps, alphas, noise, report, run.plan.timesteps)


class _NoiseModel:
    """The denoiser as solvers in terms of timesteps see it."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the noise with guidance, [B,C,h,w]."""
        scaled, sigma = self._scaled(x, t)
        return (scaled - self._run.denoise(scaled, sigma, t)) / per_picture(sigma)

    def with_unguided(self, x: Tensor, t: Tensor) -> NoisePrediction:
        """Return it with and without guidance."""
        scaled, sigma = self._scaled(x, t)
        guided, unguided = self._run.denoise.with_unguided(scaled, sigma, t)
        return NoisePrediction(
            guided=(scaled - guided) / per_picture(sigma), unguided=(scaled - unguided) / per_picture(sigma)
        )

    def _scaled(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return `x` in terms of noise levels, and its levels [B]."""
        self._run.token.check()
        if self._run.blend is not None:
            x = self._run.blend(x, t)  # before the model, as A1111 does for these solvers, and by timesteps
        # At the whole timestep, as A1111 reads a network that predicts v; for one that predicts noise any would do.
        sigma = self._run.levels.t_to_sigma(t.floor())
        return x * per_picture((sigma**2 + 1).sqrt()), sigma
