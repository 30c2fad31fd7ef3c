"""What to ask for so that an infotext's picture is made again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import JsonValue

from modules.core.settings import setting_names
from modules.imaging.generation_fields import GenerationFields, HiresFields, MaskFields, SamplingFields
from modules.imaging.infotext import NEGATIVE_KEY, PROMPT_KEY
from modules.imaging.infotext_civitai import HASHES, read_any_infotext
from modules.imaging.infotext_fields import generation_fields, infotext_pairs
from modules.imaging.infotext_sampler import SamplerNames, sampler_names
from modules.imaging.infotext_styles import NamedStyle, StylesMode, separate_styles
from modules.imaging.infotext_upgrade import compatibility_fields, is_before_schedule_types, replace_old_forms

Fields = dict[str, Any]

# Keys of settings, and what silence means: A1111 writes what is not the default. None where silence tells nothing,
# because it is written only where it matters. A request can ask for churn, too, but then its infotext does not say so.
_SETTINGS: dict[str, tuple[str, JsonValue]] = {
    "Clip skip": ("CLIP_stop_at_last_layers", 1),
    "ENSD": ("eta_noise_seed_delta", 0),
    "RNG": ("randn_source", "GPU"),
    "FP8 weight": ("fp8_storage", "Disable"),
    "Cache FP16 weight for LoRA": ("cache_fp16_weight", None),
    "VAE": ("sd_vae", None),
    "VAE Encoder": ("sd_vae_encode_method", "Full"),
    "VAE Decoder": ("sd_vae_decode_method", "Full"),
    "Face restoration": ("face_restoration_model", None),
    "Conditional mask weight": ("inpainting_mask_weight", None),
    "Token merging ratio": ("token_merging_ratio", 0.0),
    "Token merging ratio hr": ("token_merging_ratio_hr", 0.0),
    "Extra noise": ("img2img_extra_noise", 0.0),
    "Downcast alphas_cumprod": ("use_downcasted_alpha_bar", False),
    "Noise Schedule": ("sd_noise_schedule", "Default"),
    "Emphasis": ("emphasis", "Original"),
    "Old prompt editing timelines": ("use_old_scheduling", False),
    "Refiner switch by sampling steps": ("refiner_switch_by_sample_steps", False),
    "Hires refiner": ("hires_fix_refiner_pass", "second pass"),
    "Discard penultimate sigma": ("always_discard_next_to_last_sigma", False),
    "Schedule min sigma": ("sigma_min", 0.0),
    "Schedule max sigma": ("sigma_max", 0.0),
    "Schedule rho": ("rho", 0.0),
    "Beta schedule alpha": ("beta_dist_alpha", None),
    "Beta schedule beta": ("beta_dist_beta", None),
    "SGM noise multiplier": ("sgm_noise_multiplier", False),
    "Sigma churn": ("s_churn", 0.0),
    "Sigma tmin": ("s_tmin", 0.0),
    "Sigma tmax": ("s_tmax", 0.0),
    "Sigma noise": ("s_noise", 1.0),
    "Pad conds": ("pad_cond_uncond", False),
    "Pad conds v0": ("pad_cond_uncond_v0", False),
    "NGMS all steps": ("s_min_uncond_all", False),
    "Skip Early CFG": ("skip_early_cond", 0.0),
    "UniPC variant": ("uni_pc_variant", None),
    "UniPC skip type": ("uni_pc_skip_type", None),
    "UniPC order": ("uni_pc_order", None),
    "UniPC lower order final": ("uni_pc_lower_order_final", None),
}

# Where these are said they are fields of the request; where they are not, the settings must have these values.
_SILENT_FIELDS: dict[str, tuple[str, JsonValue]] = {
    "NGMS": ("s_min_uncond", 0.0),
    "Tiling": ("tiling", False),
    "Noise multiplier": ("initial_noise_multiplier", 1.0),
    "Eta": ("eta_ancestral", 1.0),
    "Eta DDIM": ("eta_ddim", 0.0),
}

SETTING_KEYS = {key: name for key, (name, _) in (_SETTINGS | _SILENT_FIELDS).items()}
"""Names of settings by what infotexts call them."""

# Before 1.9 this setting replaced the schedule type of every request, and the infotext said so.
_SCHEDULE_OF_ALL, _NO_SCHEDULE = "k_sched_type", "Automatic"
_FINAL_SIZE = "use_old_hires_fix_width_height"  # the size in an infotext is always that of the first pass
_CHECKPOINT = "sd_model_checkpoint"
_SAME_CHECKPOINT = "Use same checkpoint"
_CONTENTS = ("fill", "original", "latent noise", "latent nothing")
_USED_UP = ("Hypernet", "Hypernet strength", "First pass size", HASHES)  # old forms, and what civitai repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class InfotextRequest:
    """An infotext in the words of `modules.core.parameters` and `modules.core.settings`.

    What is not said is left out: the request's default is meant.

    Attributes:
        common: fields of `Generation`.
        hires: fields of `HiresFix`, None where there was no second pass.
        img2img: fields of `Img2Img` beyond `common`, but for the pictures.
        inpaint: fields of `Inpaint` but for the mask, None where nothing tells of one.
        settings: values of settings that this version knows. Those of which the infotext is silent are there too, with
            what its silence means; most will have these values already.
        not_understood: keys and values that nothing above says.
    """

    common: Fields
    hires: Fields | None = None
    img2img: Fields = field(default_factory=dict[str, Any])
    inpaint: Fields | None = None
    settings: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    not_understood: dict[str, str] = field(default_factory=dict[str, str])

    def txt2img(self) -> Fields:
        """Return the fields of `Txt2Img`."""
        return self.common if self.hires is None else self.common | {"hires": self.hires}


def request_from_infotext(
    text: str,
    *,
    styles: Sequence[NamedStyle] = (),
    styles_mode: StylesMode = "Ignore",
    skip: Collection[str] = (),
) -> InfotextRequest:
    """Return what to ask for to get the picture of an infotext; never raises.

    It is read as its version meant it. A text without parameters is a prompt, and means no settings.

    Args:
        text: of A1111 of any age, of its forks, or of Civitai.
        styles: the saved styles.
        styles_mode: what happens to styles that are in the prompts.
        skip: keys to take no notice of (A1111's option `infotext_skip_pasting`).
    """
    said, chosen = separate_styles(read_any_infotext(text), styles, styles_mode)
    has_parameters = not said.keys() <= {PROMPT_KEY, NEGATIVE_KEY}
    said = replace_old_forms(said) | compatibility_fields(said) | _refiner_of_1_8(said)
    said = {key: value for key, value in said.items() if key not in skip or key == "Version"}
    generation, names = generation_fields(said), sampler_names(said)
    settings, unknown = _settings(generation, skip) if has_parameters else ({}, {})
    inpaint, odd = _inpaint(generation)
    extra = {key: str(value) for key, value in generation.extra.items() if key not in _USED_UP}
    return InfotextRequest(
        common=_common(said, generation, names) | ({} if chosen is None else {"styles": chosen}),
        hires=_hires(generation, generation.hires, names) if generation.hires else None,
        img2img=_without_none(
            denoising_strength=generation.denoising_strength,
            image_cfg_scale=generation.image_cfg_scale,
            initial_noise_multiplier=generation.initial_noise_multiplier,
        ),
        inpaint=inpaint,
        settings=settings,
        not_understood=extra | unknown | names.unknown | odd,
    )


def _refiner_of_1_8(said: Mapping[str, str]) -> dict[str, str]:
    """A1111 1.10 thinks that the refiner of 1.8 took over by timesteps; recordings show that it counted steps."""
    return {"Refiner switch by sampling steps": "True"} if "Refiner" in said and is_before_schedule_types(said) else {}


def _common(said: Mapping[str, str], generation: GenerationFields, names: SamplerNames) -> Fields:
    sampling = generation.sampling or SamplingFields()
    refiner = generation.refiner
    width, height = generation.size or (None, None)
    from_width, from_height = generation.seed_resize_from or (None, None)
    return _without_none(
        prompt=said.get(PROMPT_KEY),
        negative_prompt=said.get(NEGATIVE_KEY),
        sampler=names.sampler,
        scheduler=names.scheduler,
        steps=generation.steps,
        cfg_scale=generation.cfg_scale,
        seed=generation.seed,
        subseed=generation.subseed,
        subseed_strength=generation.subseed_strength,
        seed_resize_from_width=from_width,
        seed_resize_from_height=from_height,
        width=width,
        height=height,
        eta=sampling.eta_ddim if sampling.eta is None else sampling.eta,
        s_min_uncond=generation.s_min_uncond,
        tiling=generation.tiling,
        refiner=refiner and _without_none(checkpoint=refiner, switch_at=generation.refiner_switch_at),
    )


def _hires(generation: GenerationFields, hires: HiresFields, names: SamplerNames) -> Fields | None:
    """The second pass; A1111 always names its upscaler, and before 1.0 its size."""
    if hires.upscaler is None and hires.scale is None and hires.size is None:
        return None
    width, height = hires.size or (None, None)
    return _without_none(
        scale=hires.scale,
        width=width,
        height=height,
        upscaler=hires.upscaler,
        steps=hires.steps,
        denoising_strength=generation.denoising_strength,
        sampler=names.hires_sampler,
        scheduler=names.hires_scheduler,
        prompt=hires.prompt,
        negative_prompt=hires.negative_prompt,
        checkpoint=None if hires.checkpoint == _SAME_CHECKPOINT else hires.checkpoint,
        cfg_scale=hires.cfg_scale,
    )


def _inpaint(generation: GenerationFields) -> tuple[Fields | None, dict[str, str]]:
    """The mask's fields, and what among them is not understood."""
    soft, mask = generation.soft, generation.mask
    if mask is None and soft is None:
        return None, {}
    mask = mask or MaskFields()
    blur = mask.blur or 0  # no blur is not written
    known = mask.content is None or mask.content in _CONTENTS
    fields = _without_none(
        blur_x=blur,
        blur_y=blur,
        invert=mask.mode == "Inpaint not masked",
        content=mask.content if known else None,
        only_masked=mask.area == "Only masked",
        padding=mask.padding,
    )
    if soft and soft.enabled:
        fields["soft"] = _without_none(**{name: value for name, value in asdict(soft).items() if name != "enabled"})
    return fields, {} if known else {"Masked content": str(mask.content)}


def _settings(generation: GenerationFields, skip: Collection[str]) -> tuple[dict[str, JsonValue], dict[str, str]]:
    """The settings, and what is said of settings that this version has not."""
    known = setting_names()
    pairs = infotext_pairs(generation)
    settings: dict[str, JsonValue] = {}
    unknown: dict[str, str] = {}
    for key, (name, silent) in _SETTINGS.items():
        value = pairs.get(key)
        if value is not None and name not in known:
            unknown[key] = str(value)
        elif key not in skip and name in known and (value is not None or silent is not None):
            settings[name] = silent if value is None else value
    for key, (name, silent) in _SILENT_FIELDS.items():
        if key not in skip and name in known and pairs.get(key) is None:
            settings[name] = silent
    if _SCHEDULE_OF_ALL in known and "Schedule type" not in skip:
        settings[_SCHEDULE_OF_ALL] = _NO_SCHEDULE
    if generation.hires is not None and _FINAL_SIZE in known:
        settings[_FINAL_SIZE] = False
    if "face_restoration" in known and "Face restoration" not in skip:
        settings["face_restoration"] = generation.face_restoration is not None
    if checkpoint := _checkpoint(generation):
        settings[_CHECKPOINT] = checkpoint
    return settings, unknown


def _checkpoint(generation: GenerationFields) -> str | None:
    """The checkpoint's title: its name, and in brackets the hash that finds it when the file has another name."""
    name, digits = generation.model, generation.model_hash
    return f"{name} [{digits}]" if name and digits else name or digits


def _without_none(**values: Any) -> Fields:
    return {name: value for name, value in values.items() if value is not None}
