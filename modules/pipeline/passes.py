"""One pass: the pictures of a batch from noise, or from latents, to latents."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import PictureFacts
from modules.core.parameters import Generation
from modules.core.samplers import SamplerInfo, find_sampler, find_scheduler
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.pipeline.batches import Batch
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.image_conditioning import with_concat
from modules.pipeline.prompts import Calls, PromptPair, find_add_ons, told
from modules.sampling.denoiser import GuidanceOptions, GuidedDenoiser, Network, Refinement, Told
from modules.sampling.inpainting import LatentBlend
from modules.sampling.loop import Beginning, Run, SamplingPlan, StepHook, sample
from modules.sampling.noise import ImageNoise, Variation
from modules.sampling.prediction import Consistency, ConsistencyNoise, DiscreteNoise, noise_levels
from modules.sampling.samplers.base import SolverOptions
from modules.sampling.samplers.timesteps import TimestepOptions, UniPCOptions
from modules.sampling.schedules import ScheduleOptions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pass:
    """What is special to one pass of a request.

    Attributes:
        pairs: prompts of each picture of the batch; as in A1111, those of the first one say which add-ons are used.
        read_with: the prompt by whose add-ons texts are read, None for the first picture's own.
        calls: model calls, by which prompts count.
        width: px.
        height: px.
        sampler: label of a sampler.
        scheduler: label of a schedule type, Automatic included.
        steps: sampling steps.
        cfg_scale: classifier-free guidance scale.
        image_cfg_scale: how closely a model that edits pictures follows the picture.
        refines: the request's refiner takes part.
        beginning: latents to begin with, None for noise.
        blend: keeps a part of the latents, None for nothing.
        concat: channels beside the latents [1 or B,E,h,w], for models that take some.
    """

    pairs: Sequence[PromptPair]
    read_with: str | None = None
    calls: Calls
    width: int
    height: int
    sampler: str
    scheduler: str
    steps: int
    cfg_scale: float
    image_cfg_scale: float = 1.0
    refines: bool = False
    beginning: Beginning | None = None
    blend: LatentBlend | None = None
    concat: Tensor | None = None


def model_calls(sampler: str, steps: int) -> int:
    """Return how many model calls prompts count for a pass of so many steps."""
    return steps * find_sampler(sampler).calls_per_step


def run_pass(
    context: RunContext, loaded: Loaded, request: Generation, batch: Batch, this: Pass, watch: StepHook
) -> Tensor:
    """Return the latents [B,C,h,w] that a pass makes.

    Raises:
        Interrupted: the person stopped the job.
        Skipped: the person stopped the batch.
        InvalidRequest: prompts, schedule or model do not go together.
    """
    settings, model, info = context.settings, loaded.model, find_sampler(this.sampler)
    # Add-ons change weights where they lie, which is on the device from here on.
    context.use(model)
    context.sampled_by = model
    levels = levels_of_run(settings, model, info)
    said = _told(context, loaded, this)
    with ExitStack() as changed:
        _apply(context, loaded, this, changed)
        denoiser = GuidedDenoiser(
            network_of(model, levels),
            said,
            _guidance(request, settings, this),
            _refinement(context, loaded, request, this, changed) if this.refines else None,
        )
        return sample(
            Run(
                denoise=denoiser,
                plan=plan_of(request, settings, this, model),
                levels=levels,
                noise=noise_of(request, settings, batch, this, model),
                on_step=watch,
                beginning=this.beginning,
                blend=this.blend,
                token=context.token,
            )
        )


def _apply(context: RunContext, loaded: Loaded, this: Pass, changed: ExitStack, *, refines: bool = False) -> None:
    """Change a model by the add-ons of a pass until `changed` is closed."""
    active = find_add_ons(context, loaded, this.pairs[0].positive, refines=refines)
    changed.enter_context(context.add_ons.applied(loaded.model, active, context.token))


def noise_of(request: Generation, settings: Settings, batch: Batch, this: Pass, model: LoadedModel) -> ImageNoise:
    """Return the random numbers of a pass; every pass begins anew with the pictures' seeds."""
    side = model.latent_format.downscale
    resized = request.seed_resize_from_height // side, request.seed_resize_from_width // side
    return ImageNoise(
        batch.seeds,
        (model.latent_format.channels, this.height // side, this.width // side),
        model.device,
        settings.randn_source,
        ensd=settings.eta_noise_seed_delta,
        variation=Variation(seeds=batch.subseeds, strength=request.subseed_strength),
        resized_from=resized if all(resized) else None,
        one_path=settings.no_dpmpp_sde_batch_determinism,
    )


def effective_eta(request: Generation, settings: Settings, info: SamplerInfo) -> float:
    """Return how much of each step is fresh noise."""
    if request.eta is not None:
        return request.eta
    return settings.eta_ddim if info.timesteps else settings.eta_ancestral


def effective_scheduler(settings: Settings, scheduler: str) -> str:
    """Return the label of the schedule type, which a setting of old versions may replace."""
    if settings.k_sched_type == "Automatic":
        return scheduler
    return find_scheduler(settings.k_sched_type).label


def schedule_options(settings: Settings, model: LoadedModel) -> ScheduleOptions:
    """Return what bends the schedules of a job."""
    return ScheduleOptions(
        sigma_min=settings.sigma_min,
        sigma_max=settings.sigma_max,
        rho=settings.rho,
        old_karras_sigmas=settings.use_old_karras_scheduler_sigmas,
        discard_next_to_last_sigma=settings.always_discard_next_to_last_sigma,
        beta_alpha=settings.beta_dist_alpha,
        beta_beta=settings.beta_dist_beta,
        align_your_steps=model.family.align_your_steps,
    )


def plan_of(request: Generation, settings: Settings, this: Pass, model: LoadedModel) -> SamplingPlan:
    """Return how a pass samples."""
    eta = effective_eta(request, settings, find_sampler(this.sampler))
    return SamplingPlan(
        sampler=this.sampler,
        scheduler=effective_scheduler(settings, this.scheduler),
        steps=this.steps,
        solver=SolverOptions(
            eta=eta,
            s_churn=_churn(request, settings, "s_churn"),
            s_tmin=_churn(request, settings, "s_tmin"),
            s_tmax=_churn(request, settings, "s_tmax") or math.inf,
            s_noise=_churn(request, settings, "s_noise"),
        ),
        timesteps=TimestepOptions(
            eta=eta,
            unipc=UniPCOptions(
                variant=settings.uni_pc_variant,
                skip_type=settings.uni_pc_skip_type,
                order=settings.uni_pc_order,
                lower_order_final=settings.uni_pc_lower_order_final,
            ),
        ),
        schedule=schedule_options(settings, model),
        sgm_noise_multiplier=settings.sgm_noise_multiplier,
    )


def _churn(request: Generation, settings: Settings, name: Literal["s_churn", "s_tmin", "s_tmax", "s_noise"]) -> float:
    """Return one of the numbers that say how noise is added.

    As in A1111 a setting that was changed wins over the request: widely used clients always send the defaults.
    """
    setting: float = getattr(settings, name)
    asked: float | None = getattr(request, name)
    changed = setting != Settings.model_fields[name].default
    return setting if changed or asked is None else asked


def levels_of_run(settings: Settings, model: LoadedModel, info: SamplerInfo) -> DiscreteNoise:
    """Return the noise levels that a sampler sees of a model."""
    # A model that was trained with it has it in its table already.
    zero_snr = settings.sd_noise_schedule == "Zero Terminal SNR" and not model.zero_terminal_snr
    if not (settings.use_downcasted_alpha_bar or zero_snr or settings.enable_quantization or info.consistency):
        return model.noise
    return noise_levels(
        model.noise.alphas_cumprod,
        half_precision=settings.use_downcasted_alpha_bar,
        zero_snr=zero_snr,
        quantised=settings.enable_quantization,
        consistency=info.consistency,
    )


def network_of(model: LoadedModel, levels: DiscreteNoise) -> Network[Conditioning]:
    """Return a model as the sampling floor sees it."""
    prediction = Consistency(model.prediction, levels) if isinstance(levels, ConsistencyNoise) else model.prediction
    return Network(predict=model.predict, prediction=prediction, noise=levels)


def picture_facts(settings: Settings, width: int, height: int) -> PictureFacts:
    """Return what some families are told about a picture of `width` × `height` px."""
    return PictureFacts(
        width=width,
        height=height,
        crop_top=settings.sdxl_crop_top,
        crop_left=settings.sdxl_crop_left,
        aesthetic_score=settings.sdxl_refiner_high_aesthetic_score,
        negative_aesthetic_score=settings.sdxl_refiner_low_aesthetic_score,
    )


def _told(context: RunContext, loaded: Loaded, this: Pass, *, refines: bool = False) -> Told[Conditioning]:
    facts = picture_facts(context.settings, this.width, this.height)
    read_with = this.pairs[0].positive if this.read_with is None else this.read_with
    active = find_add_ons(context, loaded, read_with, refines=refines)
    with context.add_ons.applied(loaded.model, active, context.token):
        said = told(context, loaded, this.pairs, this.calls, facts, active, refines=refines)
    return (
        said if this.concat is None else with_concat(said, this.concat, edits=loaded.model.extra_channels == "picture")
    )


def _guidance(request: Generation, settings: Settings, this: Pass) -> GuidanceOptions:
    minimum = settings.s_min_uncond if request.s_min_uncond is None else request.s_min_uncond
    return GuidanceOptions(
        cfg_scale=this.cfg_scale,
        image_cfg_scale=this.image_cfg_scale,
        minimum_sigma=minimum,
        minimum_sigma_always=settings.s_min_uncond_all,
        skip_early=settings.skip_early_cond,
        together=settings.batch_cond_uncond,
        total_calls=model_calls(this.sampler, this.steps),
    )


def _refinement(
    context: RunContext, loaded: Loaded, request: Generation, this: Pass, changed: ExitStack
) -> Refinement[Conditioning] | None:
    """Return when the refiner takes over, and how; None without one.

    Args:
        context: the job's.
        loaded: the model that begins.
        request: names the refiner.
        this: the pass.
        changed: holds the changes of the model that works.
    """
    refiner, settings, info = request.refiner, context.settings, find_sampler(this.sampler)
    if refiner is None or refiner.switch_at >= 1:
        return None
    total = model_calls(this.sampler, this.steps)
    levels = levels_of_run(settings, loaded.model, info)

    def due(call: int, sigma: Tensor) -> bool:
        if settings.refiner_switch_by_sample_steps:
            return call / total >= refiner.switch_at
        trained = len(levels.alphas_cumprod)
        t = torch.argmin((levels.sigmas - sigma.max().cpu()).abs()).item()
        return (trained - 1 - t) / trained >= refiner.switch_at

    def load() -> tuple[Network[Conditioning], Told[Conditioning]]:
        # Before another model takes its place in memory, the first one must be itself again.
        changed.close()
        other = context.load(context, refiner.checkpoint)
        context.sampled_by = other.model
        said = _told(context, other, this, refines=True)
        _apply(context, other, this, changed, refines=True)
        return network_of(other.model, levels_of_run(settings, other.model, info)), said

    return Refinement(due=due, load=load)
