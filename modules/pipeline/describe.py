"""What an infotext says of a picture: the request, the settings and what was found out on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import torch

from modules.core.parameters import Generation, HiresFix, Img2Img, Inpaint, Txt2Img
from modules.core.samplers import AUTOMATIC, UNIFORM, SamplerInfo, find_sampler
from modules.core.settings import Settings
from modules.core.version import INFOTEXT_VERSION
from modules.families.base import LoadedModel
from modules.families.vae import name_of
from modules.hardware.float8 import float8_layers
from modules.imaging.generation_fields import (
    GenerationFields,
    HiresFields,
    MaskFields,
    SamplingFields,
    SoftInpaintingFields,
)
from modules.imaging.infotext_fields import without_defaults, write_generation
from modules.library.checkpoints import CheckpointFile
from modules.pipeline.passes import effective_eta, effective_scheduler, schedule_options
from modules.pipeline.prompts import Prompts
from modules.pipeline.vaes import OtherVae
from modules.sampling.schedules import schedule_fields

Part = HiresFields | MaskFields | SamplingFields | SoftInpaintingFields
Group = TypeVar("Group", bound=GenerationFields | Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What was found out while a request was made.

    Attributes:
        refiner: the checkpoint that finished the pictures, None for none.
        hires_checkpoint: that of the second pass, None for the same.
        size: of the first pass, px.
        hires_size: that the second pass was asked for, px; a side of 0 follows the other one, both 0 for a factor.
    """

    size: tuple[int, int]
    refiner: CheckpointFile | None = None
    hires_checkpoint: CheckpointFile | None = None
    hires_size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One picture.

    Attributes:
        prompts: of the request.
        seed: of the picture.
        subseed: variation seed of the picture.
        padded: its prompt and its negative prompt were not equally long and were made so.
        init_image_hash: of the picture it was made from, if that was saved.
        lora_hashes: of the adapters that were used, by their names in the prompt.
        ti_hashes: of the embeddings.
        vae: what was used in place of the checkpoint's own.
        vae_precision: number format to which the autoencoder was changed because it overflowed.
        vae_tiled: the autoencoder worked in tiles.
    """

    prompts: Prompts
    seed: int
    subseed: int
    padded: bool = False
    init_image_hash: str | None = None
    lora_hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    ti_hashes: str = ""
    vae: OtherVae | None = None
    vae_precision: torch.dtype | None = None
    vae_tiled: bool = False


def schedule_label(settings: Settings, sampler: str, scheduler: str) -> str:
    """The schedule type as A1111 1.10 writes it: what "Automatic" meant, unless that was the plain uniform one."""
    asked = effective_scheduler(settings, scheduler)
    if asked != AUTOMATIC:
        return asked
    automatic = find_sampler(sampler).automatic_schedule
    return AUTOMATIC if automatic == UNIFORM else automatic


def infotext(
    request: Generation,
    settings: Settings,
    checkpoint: CheckpointFile,
    model: LoadedModel,
    subject: Subject,
    described: Described,
) -> str:
    """Return the infotext of one picture."""
    said = without_defaults(generation_fields(request, settings, checkpoint, model, subject, described))
    return write_generation(_plain(said))


def generation_fields(
    request: Generation,
    settings: Settings,
    checkpoint: CheckpointFile,
    model: LoadedModel,
    subject: Subject,
    described: Described,
) -> GenerationFields:
    """Return all that can be said of one picture; `without_defaults` leaves out what need not be said."""
    info = find_sampler(request.sampler)
    edits, second_pass = isinstance(request, Img2Img), isinstance(request, Txt2Img) and request.hires is not None
    eta = effective_eta(request, settings, info)
    float8 = settings.fp8_storage != "Disable" and bool(float8_layers(model.network))
    return GenerationFields(
        prompt=subject.prompts.first.positive,
        negative_prompt=subject.prompts.first.negative,
        steps=request.steps,
        sampler=request.sampler,
        scheduler=schedule_label(settings, request.sampler, request.scheduler),
        cfg_scale=request.cfg_scale,
        image_cfg_scale=_image_cfg_scale(request, model),
        seed=subject.seed,
        size=described.size,
        model_hash=checkpoint.shorthash if settings.add_model_hash_to_info else None,
        model=checkpoint.model_name if settings.add_model_name_to_info else None,
        fp8_weight=settings.fp8_storage if float8 else None,
        cache_fp16_weight=settings.cache_fp16_weight if float8 else None,
        vae_hash=subject.vae.shorthash if subject.vae and settings.add_vae_hash_to_info else None,
        vae=subject.vae.name if subject.vae and settings.add_vae_name_to_info else None,
        subseed=subject.subseed,
        subseed_strength=request.subseed_strength,
        seed_resize_from=(request.seed_resize_from_width, request.seed_resize_from_height),
        denoising_strength=denoising_strength(request),
        inpainting_mask_weight=settings.inpainting_mask_weight if model.extra_channels == "mask" else None,
        clip_skip=settings.CLIP_stop_at_last_layers,
        ensd=settings.eta_noise_seed_delta if info.uses_ensd and (eta or not info.uses_eta) else None,
        init_image_hash=subject.init_image_hash,
        rng=settings.randn_source,
        s_min_uncond=settings.s_min_uncond if request.s_min_uncond is None else request.s_min_uncond,
        tiling=settings.tiling if request.tiling is None else request.tiling,
        soft=_soft(request),
        hires=_hires(request, settings, subject.prompts, described),
        mask=_mask(request),
        lora_hashes=_lora_hashes(subject) if settings.lora_add_hashes_to_infotext else None,
        ti_hashes=subject.ti_hashes or None if settings.textual_inversion_add_hashes_to_infotext else None,
        initial_noise_multiplier=_noise_multiplier(request, settings) if edits else None,
        extra_noise=settings.img2img_extra_noise if edits or second_pass else None,
        vae_precision=name_of(subject.vae_precision) if subject.vae_precision else None,
        vae_tiling=subject.vae_tiled,
        downcast_alphas=settings.use_downcasted_alpha_bar,
        noise_schedule=settings.sd_noise_schedule,
        emphasis=settings.emphasis,
        old_timelines=settings.use_old_scheduling,
        refiner=f"{described.refiner.model_name} [{described.refiner.shorthash}]" if described.refiner else None,
        refiner_switch_at=request.refiner.switch_at if request.refiner else None,
        refiner_by_sample_steps=settings.refiner_switch_by_sample_steps,
        hires_refiner=settings.hires_fix_refiner_pass if second_pass else None,
        sampling=_sampling(request, settings, info, model, padded=subject.padded),
        version=INFOTEXT_VERSION if settings.add_version_to_infotext else None,
    )


def _lora_hashes(subject: Subject) -> str | None:
    """Return "name: hash, …" in A1111's form, which cannot say colons and commas of names."""
    said = [f"{name.replace(':', '').replace(',', '')}: {digits}" for name, digits in subject.lora_hashes.items()]
    return ", ".join(said) or None


def _plain(group: Group) -> Group:
    """Return the same with whole numbers without ".0", as A1111's page writes them."""
    changes: dict[str, object] = {}
    for entry in fields(group):
        value = getattr(group, entry.name)
        if isinstance(value, float) and value.is_integer():
            changes[entry.name] = int(value)
        elif isinstance(value, Part):
            changes[entry.name] = _plain(value)
    return replace(group, **changes)


def _image_cfg_scale(request: Generation, model: LoadedModel) -> float | None:
    return request.image_cfg_scale if isinstance(request, Img2Img) and model.extra_channels == "picture" else None


def denoising_strength(request: Generation) -> float | None:
    """Return how much of a picture the request makes anew, 0..1; None where there is none to begin with."""
    match request:
        case Img2Img():
            return request.denoising_strength
        case Txt2Img(hires=HiresFix() as hires):
            return hires.denoising_strength
        case _:
            return None


def _noise_multiplier(request: Generation, settings: Settings) -> float:
    asked = request.initial_noise_multiplier if isinstance(request, Img2Img) else None
    return settings.initial_noise_multiplier if asked is None else asked


def _soft(request: Generation) -> SoftInpaintingFields | None:
    if not isinstance(request, Img2Img) or request.inpaint is None or request.inpaint.soft is None:
        return None
    return SoftInpaintingFields(enabled=True, **request.inpaint.soft.model_dump())


def _hires(request: Generation, settings: Settings, prompts: Prompts, described: Described) -> HiresFields | None:
    if not isinstance(request, Txt2Img) or request.hires is None:
        return None
    hires = request.hires
    sampler = hires.sampler or request.sampler
    schedule = schedule_label(settings, sampler, hires.scheduler or request.scheduler)
    checkpoint = described.hires_checkpoint
    return HiresFields(
        checkpoint=checkpoint.title if checkpoint else None,
        sampler=sampler,
        prompt=prompts.hires.positive,
        negative_prompt=prompts.hires.negative,
        scheduler=schedule,
        cfg_scale=hires.cfg_scale,
        scale=hires.scale,
        size=described.hires_size,
        steps=hires.steps,
        upscaler=hires.upscaler,
    )


def _mask(request: Generation) -> MaskFields | None:
    if not isinstance(request, Img2Img) or request.inpaint is None:
        return None
    inpaint: Inpaint = request.inpaint
    return MaskFields(
        mode="Inpaint not masked" if inpaint.invert else "Inpaint masked",
        blur=inpaint.blur_x if inpaint.blur_x == inpaint.blur_y else None,
        area="Only masked" if inpaint.only_masked else "Whole picture",
        padding=inpaint.padding,
        content=inpaint.content,
    )


def _sampling(
    request: Generation, settings: Settings, info: SamplerInfo, model: LoadedModel, *, padded: bool
) -> SamplingFields:
    """Return how the sampler was set. What a request asks for beside the settings is not said, as in A1111."""
    bends = schedule_fields(
        info, effective_scheduler(settings, request.scheduler), model.noise, schedule_options(settings, model)
    )
    eta = effective_eta(request, settings, info) if info.uses_eta else None
    return SamplingFields(
        discard_penultimate=bool(bends.get("Discard penultimate sigma")),
        sigma_min=bends.get("Schedule min sigma"),
        sigma_max=bends.get("Schedule max sigma"),
        rho=bends.get("Schedule rho"),
        beta_alpha=bends.get("Beta schedule alpha"),
        beta_beta=bends.get("Beta schedule beta"),
        sgm_noise_multiplier=settings.sgm_noise_multiplier and isinstance(request, Txt2Img) and not info.timesteps,
        eta=None if info.timesteps else eta,
        eta_ddim=eta if info.timesteps else None,
        s_churn=settings.s_churn if info.churns else None,
        s_tmin=settings.s_tmin if info.churns else None,
        s_tmax=settings.s_tmax if info.churns else None,
        s_noise=settings.s_noise if info.scales_noise else None,
        pad_conds=padded and not settings.pad_cond_uncond_v0,
        pad_conds_v0=padded and settings.pad_cond_uncond_v0,
        s_min_uncond_all=settings.s_min_uncond_all,
        skip_early_cond=settings.skip_early_cond,
    )
