"""txt2img: prompt → conditioning → noise → sampling → pictures."""

from dataclasses import dataclass

from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, Skipped
from modules.core.parameters import Txt2Img
from modules.core.samplers import find_sampler
from modules.core.settings import Settings
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.decode import decode_picture
from modules.pipeline.describe import effective_eta, infotext
from modules.pipeline.limits import check_memory
from modules.pipeline.output import deliver, deliver_grid
from modules.pipeline.prompts import Prompts, encode_prompt, merged_prompts
from modules.pipeline.watch import StepWatch
from modules.sampling.denoiser import GuidedDenoiser, ScheduledDenoiser
from modules.sampling.loop import SamplingPlan, sample
from modules.sampling.noise import ImageNoise
from modules.sampling.samplers.base import Denoise
from modules.sampling.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Txt2ImgRun:
    """All batches of one request share these."""

    context: RunContext
    loaded: Loaded
    request: Txt2Img
    settings: Settings
    prompts: Prompts
    cond: Timeline[Conditioning]
    uncond: Timeline[Conditioning]


def run_txt2img(context: RunContext, loaded: Loaded, request: Txt2Img) -> None:
    """Make all pictures of `request`; each goes to `context.images` as soon as it is finished.

    Raises:
        Interrupted: the person stopped the job.
        InvalidRequest: a prompt changes into too many long texts.
        OutOfMemoryError: the size is more than the memory can hold.
        OutputError: a picture cannot be written.
    """
    settings = context.job.settings
    check_memory(loaded.model, request)
    prompts = merged_prompts(context, request, settings)
    run = Txt2ImgRun(
        context=context,
        loaded=loaded,
        request=request,
        settings=settings,
        prompts=prompts,
        cond=encode_prompt(context, loaded.model, prompts.positive, request),
        uncond=encode_prompt(context, loaded.model, prompts.negative, request),
    )
    for batch in range(request.batch_count):
        try:
            _run_batch(run, batch)
        except Skipped:
            context.notes.append(f"Batch {batch + 1} of {request.batch_count} was skipped.")
    deliver_grid(context, request)


def _run_batch(run: Txt2ImgRun, batch: int) -> None:
    """Sample the pictures of one batch together, then decode and deliver them one by one."""
    run.context.token.begin_batch()
    watch = StepWatch(run.context, run.loaded.model, batch=batch, batches=run.request.batch_count)
    try:
        latents = _sample_batch(run, batch, watch)
    except (Interrupted, Skipped):
        if run.settings.save_incomplete_images and watch.denoised is not None:
            _deliver_batch(run, batch, watch.denoised, CancelToken())
        raise
    watch.decoding()
    _deliver_batch(run, batch, latents, run.context.token)


def _sample_batch(run: Txt2ImgRun, batch: int, watch: StepWatch) -> Tensor:
    """Return the finished latents [B, C, h, w] of one batch."""
    request, settings, model = run.request, run.settings, run.loaded.model
    first = request.seed + batch * request.batch_size
    eta = effective_eta(request, settings)
    side = model.latent_format.downscale
    noise = ImageNoise(
        range(first, first + request.batch_size),
        (model.latent_format.channels, request.height // side, request.width // side),
        model.device,
        settings.randn_source,
        ensd=settings.eta_noise_seed_delta if find_sampler(request.sampler).uses_ensd else 0,
    )

    def guided_by(cond: Conditioning, uncond: Conditioning) -> Denoise:
        return GuidedDenoiser(
            model.predict,
            prediction=model.prediction,
            noise=model.noise,
            cond=cond.repeated(request.batch_size),
            uncond=uncond.repeated(request.batch_size),
            cfg_scale=request.cfg_scale,
        )

    denoise = ScheduledDenoiser(guided_by, cond=run.cond, uncond=run.uncond)
    plan = SamplingPlan(sampler=request.sampler, scheduler=request.scheduler, steps=request.steps, eta=eta)
    return sample(denoise, plan, levels=model.noise, noise=noise, on_step=watch, token=run.context.token)


def _deliver_batch(run: Txt2ImgRun, batch: int, latents: Tensor, token: CancelToken) -> None:
    """Decode and deliver the pictures of a batch, as long as `token` allows."""
    for index in range(len(latents)):
        token.check_interrupted()
        offset = batch * run.request.batch_size + index
        seed = run.request.seed + offset
        text = infotext(
            run.request,
            run.settings,
            run.loaded.file,
            prompt=run.prompts.positive,
            negative_prompt=run.prompts.negative,
            seed=seed,
        )
        deliver(
            run.context,
            decode_picture(run.loaded.model, latents[index : index + 1]),
            infotext=text,
            prompts=run.prompts,
            seed=seed,
            subseed=run.request.subseed + offset,
            save=run.request.save_images,
        )
