"""A request, written as an infotext and read again, is the same request.

What A1111's format does not tell is not asked for here: the pictures and masks themselves, how pictures are resized,
mask blurs that differ between the directions, whether masks are rounded, how many pictures were made, what was saved,
which styles were merged, how a request alone wants noise added (`s_churn` and its kind; the settings are told), and all
that had no effect.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import example, given
from hypothesis import strategies as st

from modules.core.parameters import Generation, HiresFix, Img2Img, Inpaint, Picture, SoftInpainting, Txt2Img
from modules.core.samplers import AUTOMATIC, SAMPLERS, SCHEDULERS, find_sampler
from modules.core.settings import Settings, with_changes
from modules.core.upscalers import LATENT_MODES, PICTURE_UPSCALERS
from modules.families.base import ExtraChannels, LoadedModel
from modules.imaging.infotext import NEGATIVE
from modules.imaging.infotext_request import InfotextRequest, request_from_infotext
from modules.library.checkpoints import CheckpointFile
from modules.pipeline.describe import Described, Subject, infotext
from modules.pipeline.passes import effective_eta, effective_scheduler
from modules.pipeline.prompts import PromptPair, Prompts
from modules.sampling.prediction import DiscreteNoise
from tests.properties import examples, kept, texts_of
from tests.sampling.recordings import alphas_cumprod

PICTURE = Picture(data=b"x")
NOISE = DiscreteNoise(alphas_cumprod("sd"))
FILE = CheckpointFile(path=Path("x"), name="x", model_name="x", sha256="0123456789abcdef" * 4)

PIECES = [
    *'aZ9 ,:"\\{}[]()<>|\n\r\t\0-_/#=é日😀\u2028\x85',
    *[
        ", ",
        ": ",
        '\\"',
        '",',
        "12x34",
        "Steps: 5",
        ", Seed: ",
        "True",
        "{}",
        '["a", 1]',
        "BREAK",
        " AND ",
        "<lora:x:1>",
    ],
    *['Hashes: {"model": "abc"}', "Size: 512x768, ", "Version: v1.5.2", "Hires prompt", "Model", "\nSampler: Euler, "],
]
texts = texts_of(PIECES, most=12, surrogates=False)
prompts = texts.map(lambda text: kept(text.replace(NEGATIVE, "")))
names = texts.filter(bool)

samplers, schedulers = (
    st.sampled_from(labels) for labels in ([row.name for row in SAMPLERS], [row.label for row in SCHEDULERS])
)
shares = st.floats(0, 1)
sides = st.integers(1, 512).map(lambda latents: 8 * latents)

GENERATION: Mapping[str, st.SearchStrategy[Any]] = {
    "prompt": prompts,
    "negative_prompt": prompts,
    "sampler": samplers,
    "scheduler": schedulers,
    "steps": st.integers(1, 1000),
    "cfg_scale": st.floats(0, 100),
    "seed": st.integers(-(2**63) + 1, 2**63 - 1),
    "subseed": st.integers(-(2**63) + 1, 2**63 - 1),
    "subseed_strength": shares,
    "seed_resize_from_width": st.integers(0, 4096),
    "seed_resize_from_height": st.integers(0, 4096),
    "width": sides,
    "height": sides,
    "eta": shares,
    "s_min_uncond": st.floats(0, allow_infinity=False),
    "tiling": st.booleans(),
    "refiner": st.fixed_dictionaries({"checkpoint": names, "switch_at": shares}),
}
HIRES: Mapping[str, st.SearchStrategy[Any]] = {
    "scale": st.floats(0.125, 16),
    "width": st.integers(0, 8192),
    "height": st.integers(0, 8192),
    "upscaler": st.sampled_from([*LATENT_MODES, *PICTURE_UPSCALERS]),
    "steps": st.integers(0, 1000),
    "denoising_strength": shares,
    "sampler": samplers,
    "scheduler": schedulers,
    "prompt": texts,
    "negative_prompt": texts,
    "checkpoint": names,
    "cfg_scale": st.floats(0, 100),
}
SOFT: Mapping[str, st.SearchStrategy[Any]] = {
    "schedule_bias": st.floats(0, 8),
    "preservation_strength": st.floats(0, 8),
    "transition_contrast_boost": st.floats(1, 32),
    "mask_influence": shares,
    "difference_threshold": st.floats(0, 8),
    "difference_contrast": st.floats(0, 8),
}
INPAINT: Mapping[str, st.SearchStrategy[Any]] = {
    "invert": st.booleans(),
    "content": st.sampled_from(["fill", "original", "latent noise", "latent nothing"]),
    "only_masked": st.booleans(),
    "padding": st.integers(0, 1024),
    "soft": st.fixed_dictionaries({}, optional=SOFT),
}
IMG2IMG: Mapping[str, st.SearchStrategy[Any]] = {
    "denoising_strength": shares,
    "image_cfg_scale": st.floats(0, 100),
    "initial_noise_multiplier": st.floats(0, 4),
}
SETTINGS: Mapping[str, st.SearchStrategy[Any]] = {
    "CLIP_stop_at_last_layers": st.integers(1, 12),
    "eta_noise_seed_delta": st.integers(0, 2**32),
    "randn_source": st.sampled_from(["GPU", "CPU", "NV"]),
    "s_min_uncond": st.floats(0, 15),
    "s_min_uncond_all": st.booleans(),
    "skip_early_cond": shares,
    "tiling": st.booleans(),
    "inpainting_mask_weight": shares,
    "initial_noise_multiplier": st.floats(0, 1.5),
    "img2img_extra_noise": shares,
    "use_downcasted_alpha_bar": st.booleans(),
    "sd_noise_schedule": st.sampled_from(["Default", "Zero Terminal SNR"]),
    "emphasis": st.sampled_from(["None", "Ignore", "Original", "No norm"]),
    "use_old_scheduling": st.booleans(),
    "refiner_switch_by_sample_steps": st.booleans(),
    "hires_fix_refiner_pass": st.sampled_from(["first pass", "second pass", "both passes"]),
    "k_sched_type": st.sampled_from(["Automatic", "karras", "exponential", "polyexponential"]),
    "always_discard_next_to_last_sigma": st.booleans(),
    "sigma_min": st.floats(0, allow_infinity=False),
    "sigma_max": st.floats(0, allow_infinity=False),
    "rho": st.floats(0, allow_infinity=False),
    "beta_dist_alpha": st.floats(0.01, 5),
    "beta_dist_beta": st.floats(0.01, 5),
    "sgm_noise_multiplier": st.booleans(),
    "eta_ancestral": shares,
    "eta_ddim": shares,
    "s_churn": st.floats(0, 100),
    "s_tmin": st.floats(0, 10),
    "s_tmax": st.floats(0, 999),
    "s_noise": st.floats(0, 1.1),
    "pad_cond_uncond": st.booleans(),
    "pad_cond_uncond_v0": st.booleans(),
    "add_version_to_infotext": st.booleans(),
}

SOFT_ALONE = Inpaint(mask=PICTURE, blur_x=0, blur_y=0, soft=SoftInpainting())


@st.composite
def requests(draw: st.DrawFn) -> Txt2Img | Img2Img:
    """Draw any request, with any of the fields that an infotext tells of."""
    fields = draw(st.fixed_dictionaries({}, optional=GENERATION))
    if draw(st.booleans()):
        hires = draw(st.none() | st.fixed_dictionaries({}, optional=HIRES))
        return Txt2Img.model_validate(fields | {"hires": hires})
    masked = st.fixed_dictionaries({}, optional=INPAINT)
    blur = draw(st.integers(0, 256))
    inpaint = draw(st.none() | masked.map(lambda said: {"mask": PICTURE, "blur_x": blur, "blur_y": blur, **said}))
    more = draw(st.fixed_dictionaries({}, optional=IMG2IMG))
    return Img2Img.model_validate(fields | {"images": (PICTURE,), "inpaint": inpaint} | more)


def asked_for(request: InfotextRequest, *, edits: bool) -> Txt2Img | Img2Img:
    """Return the request that an infotext means. Pictures it does not tell of."""
    if not edits:
        return Txt2Img(**request.txt2img())
    inpaint = None if request.inpaint is None else Inpaint(mask=PICTURE, **request.inpaint)
    return Img2Img(images=(PICTURE,), inpaint=inpaint, **request.common, **request.img2img)


def prompts_of(request: Generation) -> Prompts:
    first = PromptPair(positive=request.prompt, negative=request.negative_prompt)
    hires = request.hires if isinstance(request, Txt2Img) and request.hires else HiresFix()
    return Prompts(
        first=first,
        hires=PromptPair(positive=hires.prompt or first.positive, negative=hires.negative_prompt or first.negative),
    )


def written(
    request: Generation,
    settings: Settings,
    described: Described,
    checkpoint: CheckpointFile,
    channels: ExtraChannels | None,
) -> str:
    """Return the infotext of a request's first picture."""
    family = SimpleNamespace(align_your_steps=())
    model = cast("LoadedModel", SimpleNamespace(extra_channels=channels, noise=NOISE, family=family))
    pads = settings.pad_cond_uncond or settings.pad_cond_uncond_v0
    subject = Subject(prompts=prompts_of(request), seed=request.seed, subseed=request.subseed, padded=pads)
    return infotext(request, settings, checkpoint, model, subject, described)


def schedule_of(settings: Settings, sampler: str, scheduler: str) -> str:
    asked = effective_scheduler(settings, scheduler)
    return find_sampler(sampler).automatic_schedule if asked == AUTOMATIC else asked


def meant(request: Txt2Img | Img2Img, settings: Settings, channels: ExtraChannels | None) -> dict[str, Any]:
    """Return all of a request that has an effect, whether it is asked for or a setting."""
    info = find_sampler(request.sampler)
    fields = ("prompt", "negative_prompt", "sampler", "steps", "cfg_scale", "seed", "width", "height")
    resized = request.seed_resize_from_width, request.seed_resize_from_height
    eta = effective_eta(request, settings, info) if info.uses_eta else None
    said: dict[str, Any] = {name: getattr(request, name) for name in fields} | {
        "schedule": schedule_of(settings, request.sampler, request.scheduler),
        "variation": (request.subseed, request.subseed_strength) if request.subseed_strength else None,
        "seed_resize_from": resized if all(resized) else None,
        "eta": eta,
        "ensd": settings.eta_noise_seed_delta if info.uses_ensd and eta != 0 else 0,
        "s_min_uncond": settings.s_min_uncond if request.s_min_uncond is None else request.s_min_uncond,
        "tiling": settings.tiling if request.tiling is None else request.tiling,
        "switch_at": request.refiner and request.refiner.switch_at,
    }
    return said | (
        _of_picture(request, settings, channels) if isinstance(request, Img2Img) else _of_hires(request, settings)
    )


def _of_hires(request: Txt2Img, settings: Settings) -> dict[str, Any]:
    hires = request.hires
    if hires is None:
        return {}
    sampler = hires.sampler or request.sampler
    size = hires.width, hires.height
    return {
        "hires": prompts_of(request).hires,
        "hires_sampler": sampler,
        "hires_schedule": schedule_of(settings, sampler, hires.scheduler or request.scheduler),
        "hires_cfg_scale": request.cfg_scale if hires.cfg_scale is None else hires.cfg_scale,
        "hires_size": size if any(size) else hires.scale,
        **{name: getattr(hires, name) for name in ("upscaler", "steps", "denoising_strength")},
    }


def _of_picture(request: Img2Img, settings: Settings, channels: ExtraChannels | None) -> dict[str, Any]:
    multiplier, inpaint = request.initial_noise_multiplier, request.inpaint
    masked = None
    if inpaint is not None:
        masked = inpaint.model_dump(exclude=set() if inpaint.only_masked else {"padding"})
        # A mask with nothing unusual about it leaves no trace.
        masked = None if inpaint == Inpaint(mask=PICTURE, blur_x=0, blur_y=0, padding=inpaint.padding) else masked
    return {
        "denoising_strength": request.denoising_strength,
        "image_cfg_scale": request.image_cfg_scale if channels == "picture" else None,
        "initial_noise_multiplier": settings.initial_noise_multiplier if multiplier is None else multiplier,
        "inpaint": masked,
    }


@given(
    requests(),
    st.fixed_dictionaries({}, optional=SETTINGS),
    names,
    st.sampled_from([None, "mask", "picture"]),
)
@example(Img2Img(images=(PICTURE,), inpaint=SOFT_ALONE), {}, "a", None)
@example(Txt2Img(sampler="TCD"), {"eta_noise_seed_delta": 1}, "a", None)
@examples(100, slow=True)
def test_what_is_asked_for_is_read_back(
    request: Txt2Img | Img2Img, changes: dict[str, Any], model: str, channels: ExtraChannels | None
) -> None:
    settings = with_changes(Settings(), changes)
    hires = request.hires if isinstance(request, Txt2Img) else None
    described = Described(
        size=(request.width, request.height),
        refiner=replace(FILE, model_name=request.refiner.checkpoint) if request.refiner else None,
        hires_checkpoint=replace(FILE, name=hires.checkpoint) if hires and hires.checkpoint else None,
        hires_size=(hires.width, hires.height) if hires else (0, 0),
    )
    checkpoint = replace(FILE, model_name=model)

    text = written(request, settings, described, checkpoint, channels)
    read = request_from_infotext(text)
    again, its_settings = asked_for(read, edits=isinstance(request, Img2Img)), with_changes(Settings(), read.settings)

    assert meant(again, its_settings, channels) == meant(request, settings, channels)
    assert its_settings.sd_model_checkpoint == f"{model} [0123456789]"
    assert read.not_understood == {}
    if request.refiner:
        assert again.refiner
        assert again.refiner.checkpoint == f"{request.refiner.checkpoint} [0123456789]"
    if described.hires_checkpoint:
        assert read.hires
        assert read.hires["checkpoint"] == described.hires_checkpoint.title
    its_settings = its_settings.model_copy(update={"add_version_to_infotext": settings.add_version_to_infotext})
    assert written(again, its_settings, described, checkpoint, channels) == text
