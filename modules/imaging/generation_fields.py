"""Everything that an infotext says of how a picture was made, typed.

The order of the attributes is the order in which A1111 1.10 writes them; those of a group stand where the group stands.
None means that the infotext does not say it. Sizes are width and height in px.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from modules.imaging.infotext import FieldValue

Size = tuple[int, int]
Kind = Literal["text", "whole", "number", "flag", "size"]

KEY, KIND, GROUP = "key", "kind", "group"


def said_as(key: str, kind: Kind) -> dict[str, str]:
    """Metadata of a value that is written as `key`."""
    return {KEY: key, KIND: kind}


def group_of(values: type) -> dict[str, type]:
    """Metadata of values that are written where this attribute stands."""
    return {GROUP: values}


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftInpaintingFields:
    """What A1111's built-in extension "Soft inpainting" was set to."""

    enabled: bool | None = field(default=None, metadata=said_as("Soft inpainting enabled", "flag"))
    schedule_bias: float | None = field(default=None, metadata=said_as("Soft inpainting schedule bias", "number"))
    preservation_strength: float | None = field(
        default=None, metadata=said_as("Soft inpainting preservation strength", "number")
    )
    transition_contrast_boost: float | None = field(
        default=None, metadata=said_as("Soft inpainting transition contrast boost", "number")
    )
    mask_influence: float | None = field(default=None, metadata=said_as("Soft inpainting mask influence", "number"))
    difference_threshold: float | None = field(
        default=None, metadata=said_as("Soft inpainting difference threshold", "number")
    )
    difference_contrast: float | None = field(
        default=None, metadata=said_as("Soft inpainting difference contrast", "number")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HiresFields:
    """The second pass of Hires. fix; its denoising strength is the picture's.

    Attributes:
        checkpoint: title or name of its checkpoint.
        sampler: label, where it is not the first pass'.
        prompt: where it is not the first pass'.
        negative_prompt: likewise.
        scheduler: label of its schedule type, where it is not the first pass'.
        cfg_scale: Forge's key.
        scale: factor of both sides, where no size was asked for.
        size: asked for; a side of 0 follows the other one.
        steps: where they are not as many as the first pass'.
        upscaler: a latent mode or an upscaler of pictures.
    """

    checkpoint: str | None = field(default=None, metadata=said_as("Hires checkpoint", "text"))
    sampler: str | None = field(default=None, metadata=said_as("Hires sampler", "text"))
    prompt: str | None = field(default=None, metadata=said_as("Hires prompt", "text"))
    negative_prompt: str | None = field(default=None, metadata=said_as("Hires negative prompt", "text"))
    scheduler: str | None = field(default=None, metadata=said_as("Hires schedule type", "text"))
    cfg_scale: float | None = field(default=None, metadata=said_as("Hires CFG Scale", "number"))
    scale: float | None = field(default=None, metadata=said_as("Hires upscale", "number"))
    size: Size | None = field(default=None, metadata=said_as("Hires resize", "size"))
    steps: int | None = field(default=None, metadata=said_as("Hires steps", "whole"))
    upscaler: str | None = field(default=None, metadata=said_as("Hires upscaler", "text"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFields:
    """What was inpainted.

    Attributes:
        mode: "Inpaint masked" or "Inpaint not masked".
        blur: of the mask's edge, px; not said when it differs between the directions.
        area: "Whole picture" or "Only masked".
        padding: around the masked area, px.
        content: what stood in the masked part before: "fill", "original", "latent noise" or "latent nothing".
    """

    mode: str | None = field(default=None, metadata=said_as("Mask mode", "text"))
    blur: int | None = field(default=None, metadata=said_as("Mask blur", "whole"))
    area: str | None = field(default=None, metadata=said_as("Inpaint area", "text"))
    padding: int | None = field(default=None, metadata=said_as("Masked area padding", "whole"))
    content: str | None = field(default=None, metadata=said_as("Masked content", "text"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingFields:
    """How the sampler was set, where that was not the default.

    Attributes:
        discard_penultimate: the last sigma above 0 was left out though the sampler does not ask for that.
        sigma_min: lowest noise level of the schedule.
        sigma_max: highest one.
        rho: exponent of the schedule.
        beta_alpha: of the schedule type Beta.
        beta_beta: likewise.
        sgm_noise_multiplier: the first noise was scaled as in Stability AI's own code.
        eta: how much of each step is fresh noise.
        eta_ddim: likewise, for samplers that walk over timesteps.
        s_churn: noise added before each step (arXiv:2206.00364, algorithm 2).
        s_tmin: lowest noise level at which it was added.
        s_tmax: highest one.
        s_noise: standard deviation of added noise.
        pad_conds: prompt and negative prompt were padded to the same length.
        pad_conds_v0: likewise, as A1111 1.5 did.
        s_min_uncond_all: "negative guidance minimum sigma" held for all steps, not for every second.
        skip_early_cond: part of the first steps that left out the negative prompt.
        uni_pc_variant: "bh1", "bh2" or "vary_coeff".
        uni_pc_skip_type: "time_uniform", "time_quadratic" or "logSNR".
        uni_pc_order: order of UniPC.
        uni_pc_lower_order_final: UniPC took a lower order at the end.
    """

    discard_penultimate: bool | None = field(default=None, metadata=said_as("Discard penultimate sigma", "flag"))
    sigma_min: float | None = field(default=None, metadata=said_as("Schedule min sigma", "number"))
    sigma_max: float | None = field(default=None, metadata=said_as("Schedule max sigma", "number"))
    rho: float | None = field(default=None, metadata=said_as("Schedule rho", "number"))
    beta_alpha: float | None = field(default=None, metadata=said_as("Beta schedule alpha", "number"))
    beta_beta: float | None = field(default=None, metadata=said_as("Beta schedule beta", "number"))
    sgm_noise_multiplier: bool | None = field(default=None, metadata=said_as("SGM noise multiplier", "flag"))
    eta: float | None = field(default=None, metadata=said_as("Eta", "number"))
    eta_ddim: float | None = field(default=None, metadata=said_as("Eta DDIM", "number"))
    s_churn: float | None = field(default=None, metadata=said_as("Sigma churn", "number"))
    s_tmin: float | None = field(default=None, metadata=said_as("Sigma tmin", "number"))
    s_tmax: float | None = field(default=None, metadata=said_as("Sigma tmax", "number"))
    s_noise: float | None = field(default=None, metadata=said_as("Sigma noise", "number"))
    pad_conds: bool | None = field(default=None, metadata=said_as("Pad conds", "flag"))
    pad_conds_v0: bool | None = field(default=None, metadata=said_as("Pad conds v0", "flag"))
    s_min_uncond_all: bool | None = field(default=None, metadata=said_as("NGMS all steps", "flag"))
    skip_early_cond: float | None = field(default=None, metadata=said_as("Skip Early CFG", "number"))
    uni_pc_variant: str | None = field(default=None, metadata=said_as("UniPC variant", "text"))
    uni_pc_skip_type: str | None = field(default=None, metadata=said_as("UniPC skip type", "text"))
    uni_pc_order: int | None = field(default=None, metadata=said_as("UniPC order", "whole"))
    uni_pc_lower_order_final: bool | None = field(default=None, metadata=said_as("UniPC lower order final", "flag"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFields:
    """What is said of one picture.

    Attributes:
        prompt: with styles merged in and without comments.
        negative_prompt: likewise.
        scheduler: label of the schedule type.
        seed: of this picture.
        face_restoration: the model that restored faces.
        size: of the first pass.
        model_hash: first 10 digits of the checkpoint's sha256; 8 digits are A1111's hash of 2022.
        model: name of the checkpoint.
        fp8_weight: which checkpoints were held in 8 bits: "Enable" or "Enable for SDXL".
        cache_fp16_weight: 16 bits were kept for LoRA.
        subseed: variation seed of this picture.
        subseed_strength: 0..1.
        seed_resize_from: size of the picture from which the noise was taken.
        inpainting_mask_weight: "Conditional mask weight" of checkpoints for inpainting, 0..1.
        clip_skip: 1 for the text encoder's last layer.
        ensd: eta noise seed delta.
        rng: source of the noise, "GPU", "CPU" or "NV".
        s_min_uncond: "negative guidance minimum sigma".
        tiling: opposite edges fit together.
        initial_noise_multiplier: of img2img.
        extra_noise: of img2img and Hires. fix.
        vae_encoder: "Full" or "TAESD".
        vae_decoder: likewise.
        vae_precision: number format in which the VAE computed because it overflowed in another one. A1111 does not say
            so.
        vae_tiling: the VAE worked in tiles because memory was short. This is not A1111's, either.
        downcast_alphas: the noise table was rounded to half precision.
        noise_schedule: "Default" or "Zero Terminal SNR".
        lora_hashes: "name: hash" of each LoRA, separated by ", ".
        ti_hashes: likewise of each embedding.
        emphasis: how (more) and [less] weighed words: "None", "Ignore", "Original" or "No norm".
        old_timelines: prompt editing counted steps as before A1111 1.6.
        refiner: title or name of the refiner's checkpoint.
        refiner_switch_at: part of the sampling after which it took over, 0..1.
        refiner_by_sample_steps: that part was counted in steps.
        hires_refiner: in which pass it worked: "first pass", "second pass" or "both passes".
        extra: what extensions and scripts added, in its order, under the keys of the infotext. A key whose value equals
            it is a mark, see `write_infotext`.
        version: of the program.
        user: who was logged in.
    """

    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = field(default=None, metadata=said_as("Steps", "whole"))
    sampler: str | None = field(default=None, metadata=said_as("Sampler", "text"))
    scheduler: str | None = field(default=None, metadata=said_as("Schedule type", "text"))
    cfg_scale: float | None = field(default=None, metadata=said_as("CFG scale", "number"))
    image_cfg_scale: float | None = field(default=None, metadata=said_as("Image CFG scale", "number"))
    seed: int | None = field(default=None, metadata=said_as("Seed", "whole"))
    face_restoration: str | None = field(default=None, metadata=said_as("Face restoration", "text"))
    size: Size | None = field(default=None, metadata=said_as("Size", "size"))
    model_hash: str | None = field(default=None, metadata=said_as("Model hash", "text"))
    model: str | None = field(default=None, metadata=said_as("Model", "text"))
    fp8_weight: str | None = field(default=None, metadata=said_as("FP8 weight", "text"))
    cache_fp16_weight: bool | None = field(default=None, metadata=said_as("Cache FP16 weight for LoRA", "flag"))
    vae_hash: str | None = field(default=None, metadata=said_as("VAE hash", "text"))
    vae: str | None = field(default=None, metadata=said_as("VAE", "text"))
    subseed: int | None = field(default=None, metadata=said_as("Variation seed", "whole"))
    subseed_strength: float | None = field(default=None, metadata=said_as("Variation seed strength", "number"))
    seed_resize_from: Size | None = field(default=None, metadata=said_as("Seed resize from", "size"))
    denoising_strength: float | None = field(default=None, metadata=said_as("Denoising strength", "number"))
    inpainting_mask_weight: float | None = field(default=None, metadata=said_as("Conditional mask weight", "number"))
    clip_skip: int | None = field(default=None, metadata=said_as("Clip skip", "whole"))
    ensd: int | None = field(default=None, metadata=said_as("ENSD", "whole"))
    token_merging_ratio: float | None = field(default=None, metadata=said_as("Token merging ratio", "number"))
    token_merging_ratio_hr: float | None = field(default=None, metadata=said_as("Token merging ratio hr", "number"))
    init_image_hash: str | None = field(default=None, metadata=said_as("Init image hash", "text"))
    rng: str | None = field(default=None, metadata=said_as("RNG", "text"))
    s_min_uncond: float | None = field(default=None, metadata=said_as("NGMS", "number"))
    tiling: bool | None = field(default=None, metadata=said_as("Tiling", "flag"))
    soft: SoftInpaintingFields | None = field(default=None, metadata=group_of(SoftInpaintingFields))
    hires: HiresFields | None = field(default=None, metadata=group_of(HiresFields))
    mask: MaskFields | None = field(default=None, metadata=group_of(MaskFields))
    initial_noise_multiplier: float | None = field(default=None, metadata=said_as("Noise multiplier", "number"))
    extra_noise: float | None = field(default=None, metadata=said_as("Extra noise", "number"))
    vae_encoder: str | None = field(default=None, metadata=said_as("VAE Encoder", "text"))
    vae_decoder: str | None = field(default=None, metadata=said_as("VAE Decoder", "text"))
    vae_precision: str | None = field(default=None, metadata=said_as("VAE precision", "text"))
    vae_tiling: bool | None = field(default=None, metadata=said_as("VAE tiling", "flag"))
    downcast_alphas: bool | None = field(default=None, metadata=said_as("Downcast alphas_cumprod", "flag"))
    noise_schedule: str | None = field(default=None, metadata=said_as("Noise Schedule", "text"))
    lora_hashes: str | None = field(default=None, metadata=said_as("Lora hashes", "text"))
    ti_hashes: str | None = field(default=None, metadata=said_as("TI hashes", "text"))
    emphasis: str | None = field(default=None, metadata=said_as("Emphasis", "text"))
    old_timelines: bool | None = field(default=None, metadata=said_as("Old prompt editing timelines", "flag"))
    refiner: str | None = field(default=None, metadata=said_as("Refiner", "text"))
    refiner_switch_at: float | None = field(default=None, metadata=said_as("Refiner switch at", "number"))
    refiner_by_sample_steps: bool | None = field(
        default=None, metadata=said_as("Refiner switch by sampling steps", "flag")
    )
    hires_refiner: str | None = field(default=None, metadata=said_as("Hires refiner", "text"))
    sampling: SamplingFields | None = field(default=None, metadata=group_of(SamplingFields))
    extra: Mapping[str, FieldValue] = field(default_factory=dict[str, FieldValue])
    version: str | None = field(default=None, metadata=said_as("Version", "text"))
    user: str | None = field(default=None, metadata=said_as("User", "text"))
