"""Typed settings with A1111's names and defaults. A frozen snapshot goes with each job; nothing reads settings from
anywhere else. To add a setting, add a field (see CONTRIBUTING.md).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from modules.core.errors import InvalidRequest

OUTPUT_FOLDER: dict[str, JsonValue] = {"output_folder": True}
Folder = Annotated[str, Field(json_schema_extra=OUTPUT_FOLDER)]
PictureFormatName = Literal["png", "jpg", "jpeg", "webp", "avif"]
Emphasis = Literal["None", "Ignore", "Original", "No norm"]
Float8Storage = Literal["Disable", "Enable for SDXL", "Enable"]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Settings(BaseModel):
    """One field per setting. Relative folders are taken from the data folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sd_model_checkpoint: str | None = Field(default=None, description="Stable Diffusion checkpoint")

    samples_save: bool = Field(default=True, description="Always save all generated images")
    samples_format: PictureFormatName = Field(default="png", description="File format for images")
    grid_format: PictureFormatName = Field(default="png", description="File format for grids")
    jpeg_quality: int = Field(default=80, ge=1, le=100, description="Quality of JPEG, WebP and AVIF images")
    webp_lossless: bool = Field(default=False, description="Lossless compression of WebP images")
    export_for_4chan: bool = Field(default=True, description="Save a smaller JPEG copy of large images")
    img_downscale_threshold: float = Field(default=4.0, ge=0, description="File size above which it is made, MB")
    target_side_length: int = Field(default=4000, ge=1, description="Side above which it is made, px")
    img_max_size_mp: float = Field(default=200, ge=0, description="Largest grid, megapixels")
    save_txt: bool = Field(default=False, description="Save the infotext in a text file beside every image")
    grid_save: bool = Field(default=True, description="Always save all generated image grids")
    grid_only_if_multiple: bool = Field(default=True, description="Do not save grids of one picture")
    grid_prevent_empty_spots: bool = Field(default=False, description="Prevent empty spots in grids")
    return_grid: bool = Field(default=True, description="Show the grid in results")
    n_rows: int = Field(default=-1, ge=-1, le=64, description="Grid rows; -1 for near-square, 0 for the batch size")
    enable_pnginfo: bool = Field(default=True, description="Write infotext to metadata of the generated image")
    save_init_img: bool = Field(default=False, description="Save the pictures that img2img begins with")
    outdir_init_images: Folder = Field(default="outputs/init-images", description="Output folder of those")
    save_mask: bool = Field(default=False, description="Save the mask of inpainting")
    save_mask_composite: bool = Field(default=False, description="Save what was inpainted, cut out")
    save_images_before_color_correction: bool = Field(
        default=False, description="Save pictures as they are before colour correction"
    )
    save_images_before_highres_fix: bool = Field(default=False, description="Save the first pass of hires. fix")
    save_incomplete_images: bool = Field(default=False, description="Keep pictures that were interrupted half-way")
    outdir_samples: Folder = Field(default="", description="Output folder for all pictures; empty for those below")
    outdir_txt2img_samples: Folder = Field(default="outputs/txt2img-images", description="Output folder of txt2img")
    outdir_img2img_samples: Folder = Field(default="outputs/img2img-images", description="Output folder of img2img")
    outdir_grids: Folder = Field(default="", description="Output folder for all grids; empty for those below")
    outdir_txt2img_grids: Folder = Field(default="outputs/txt2img-grids", description="Output folder of txt2img grids")
    outdir_img2img_grids: Folder = Field(default="outputs/img2img-grids", description="Output folder of img2img grids")
    save_to_dirs: bool = Field(default=True, description="Save images to a subdirectory")
    grid_save_to_dirs: bool = Field(default=True, description="Save grids to a subdirectory")
    directories_filename_pattern: str = Field(
        default="[date]", max_length=1000, description="Directory name pattern; empty for [prompt_words]"
    )
    directories_max_prompt_words: int = Field(default=8, ge=1, le=20, description="Max prompt words of [prompt_words]")
    samples_filename_pattern: str = Field(
        default="",
        max_length=1000,
        description="Images filename pattern; empty for [seed] in subdirectories, else [seed]-[prompt_spaces]",
    )
    save_images_add_number: bool = Field(default=True, description="Add number to filename when saving")
    save_images_replace_action: Literal["Replace", "Add number suffix"] = Field(
        default="Replace", description="Saving without number, when there is such a file"
    )
    grid_extended_filename: bool = Field(default=False, description="Add the filename pattern to grids, too")

    add_model_name_to_info: bool = Field(default=True, description="Add model name to infotext")
    add_model_hash_to_info: bool = Field(default=True, description="Add model hash to infotext")
    add_version_to_infotext: bool = Field(default=True, description="Add program version to infotext")

    CLIP_stop_at_last_layers: int = Field(default=1, ge=1, le=12, description="Clip skip")
    emphasis: Emphasis = Field(default="Original", description="Emphasis: how (more) and [less] weigh words")
    use_old_emphasis_implementation: bool = Field(default=False, description="Use old emphasis implementation")
    comma_padding_backtrack: int = Field(default=20, ge=0, le=74, description="Prompt word wrap length limit, tokens")
    enable_prompt_comments: bool = Field(default=True, description="Ignore text after # in prompts")
    use_old_scheduling: bool = Field(default=False, description="Use old prompt editing timelines")
    randn_source: Literal["GPU", "CPU", "NV"] = Field(default="GPU", description="Random number generator source")
    tiling: bool = Field(default=False, description="Make opposite edges of pictures fit together")
    upcast_attn: bool = Field(default=False, description="Compute attention in float32")

    sdxl_crop_top: int = Field(default=0, ge=0, le=1024, description="SDXL: crop top coordinate, px")
    sdxl_crop_left: int = Field(default=0, ge=0, le=1024, description="SDXL: crop left coordinate, px")
    sdxl_refiner_low_aesthetic_score: float = Field(
        default=2.5, ge=0, le=10, description="SDXL refiner: aesthetic score of the negative prompt"
    )
    sdxl_refiner_high_aesthetic_score: float = Field(
        default=6.0, ge=0, le=10, description="SDXL refiner: aesthetic score of the prompt"
    )
    hires_fix_refiner_pass: Literal["first pass", "second pass", "both passes"] = Field(
        default="second pass", description="Hires. fix: in which pass the refiner works"
    )
    refiner_switch_by_sample_steps: bool = Field(
        default=False, description="The refiner takes over by sampling steps instead of model calls"
    )
    use_old_hires_fix_width_height: bool = Field(
        default=False, description="Hires. fix: width and height are the final size, as before version 1.0"
    )

    auto_vae_precision: bool = Field(default=True, description="Decode again in float32 when a VAE yields NaN")
    auto_vae_precision_bfloat16: bool = Field(
        default=False, description="Decode again in bfloat16 when a VAE yields NaN"
    )
    sd_checkpoints_limit: int = Field(default=1, ge=1, le=10, description="Checkpoints kept loaded at the same time")
    sd_checkpoints_keep_in_cpu: bool = Field(
        default=True, description="Keep only the checkpoint in use on the device, the others in main memory"
    )
    sd_checkpoint_use_ema: bool = Field(
        default=False, description="Use the averaged (EMA) weights of a checkpoint that has both"
    )
    fp8_storage: Float8Storage = Field(default="Disable", description="FP8 weight: keep weights of layers in 8 bits")
    cache_fp16_weight: bool = Field(
        default=False, description="Cache FP16 weight for LoRA: adapters change the original of an FP8 weight"
    )
    sdxl_clip_l_skip: bool = Field(default=False, description="SDXL: clip skip holds for the first text encoder, too")

    inpainting_mask_weight: float = Field(default=1.0, ge=0, le=1, description="Inpainting conditioning mask strength")
    initial_noise_multiplier: float = Field(default=1.0, ge=0, le=1.5, description="Noise multiplier for img2img")
    img2img_extra_noise: float = Field(
        default=0.0, ge=0, le=1, description="Extra noise multiplier for img2img and hires"
    )
    img2img_color_correction: bool = Field(
        default=False, description="Give img2img results the colours of the original"
    )
    img2img_fix_steps: bool = Field(default=False, description="img2img does exactly the steps that the slider says")
    img2img_background_color: Colour = Field(
        default="#ffffff", description="Colour behind transparent parts of pictures"
    )
    upscaler_for_img2img: str | None = Field(default=None, description="Upscaler for img2img")
    overlay_inpaint: bool = Field(default=True, description="Put the original back over what was not inpainted")
    return_mask: bool = Field(default=False, description="Return the mask of inpainting with the results")
    return_mask_composite: bool = Field(
        default=False, description="Return what was inpainted, cut out, with the results"
    )

    sd_vae: str = Field(default="Automatic", description="VAE: Automatic, None for the checkpoint's own, or a name")
    sd_vae_overrides_per_model_preferences: bool = Field(
        default=True, description="The VAE chosen here wins over the one preferred for a checkpoint"
    )
    add_vae_name_to_info: bool = Field(default=True, description="Add VAE name to infotext")
    add_vae_hash_to_info: bool = Field(default=True, description="Add VAE hash to infotext")

    sd_lora: str = Field(default="None", description="Add this LoRA to every prompt")
    sd_hypernetwork: str = Field(default="None", description="Add this hypernetwork to every prompt")
    extra_networks_default_multiplier: float = Field(
        default=1.0, ge=-10, le=10, description="Weight of networks that are added"
    )
    lora_preferred_name: Literal["Alias from file", "Filename"] = Field(
        default="Alias from file", description="What a LoRA's card writes into the prompt"
    )
    extra_networks_add_text_separator: str = Field(
        default=" ", max_length=20, description="What stands before the text that a card adds to a prompt"
    )
    extra_networks_card_order_field: Literal["Path", "Name", "Date Created", "Date Modified"] = Field(
        default="Path", description="Order of cards"
    )
    extra_networks_card_order: Literal["Ascending", "Descending"] = Field(
        default="Ascending", description="Direction of the order of cards"
    )
    lora_add_hashes_to_infotext: bool = Field(default=True, description="Add hashes of LoRA files to infotext")
    textual_inversion_add_hashes_to_infotext: bool = Field(
        default=True, description="Add hashes of embeddings to infotext"
    )
    lora_without_dora: bool = Field(
        default=False, description="Read DoRA files as plain LoRA, as versions up to 1.8 did"
    )
    hires_fix_use_firstpass_conds: bool = Field(
        default=False, description="Hires. fix: networks of the first pass read the prompts of the second"
    )

    s_min_uncond: float = Field(default=0.0, ge=0, le=15, description="Negative guidance minimum sigma")
    s_min_uncond_all: bool = Field(default=False, description="Negative guidance minimum sigma holds for all steps")
    skip_early_cond: float = Field(
        default=0.0, ge=0, le=1, description="Ignore the negative prompt in this part of steps"
    )
    pad_cond_uncond: bool = Field(default=False, description="Pad prompt and negative prompt to the same length")
    pad_cond_uncond_v0: bool = Field(default=False, description="Pad prompt and negative prompt as version 1.5 did")
    batch_cond_uncond: bool = Field(default=True, description="Compute prompt and negative prompt together")

    eta_ddim: float = Field(default=0.0, ge=0, le=1, description="Eta for DDIM")
    eta_ancestral: float = Field(default=1.0, ge=0, le=1, description="Eta for k-diffusion samplers")
    s_churn: float = Field(default=0.0, ge=0, le=100, description="Sigma churn")
    s_tmin: float = Field(default=0.0, ge=0, le=10, description="Sigma tmin")
    s_tmax: float = Field(default=0.0, ge=0, le=999, description="Sigma tmax; 0 for no limit")
    s_noise: float = Field(default=1.0, ge=0, le=1.1, description="Sigma noise")
    k_sched_type: Literal["Automatic", "karras", "exponential", "polyexponential"] = Field(
        default="Automatic", description="Schedule type that replaces every request's, as before version 1.9"
    )
    sigma_min: float = Field(default=0.0, ge=0, description="Lowest noise level of the schedule; 0 for its own")
    sigma_max: float = Field(default=0.0, ge=0, description="Highest noise level of the schedule; 0 for its own")
    rho: float = Field(default=0.0, ge=0, description="Exponent of the schedule; 0 for its own")
    eta_noise_seed_delta: int = Field(default=0, ge=0, le=2**32, description="Eta noise seed delta")
    always_discard_next_to_last_sigma: bool = Field(default=False, description="Always discard next-to-last sigma")
    sgm_noise_multiplier: bool = Field(default=False, description="SGM noise multiplier")
    uni_pc_variant: Literal["bh1", "bh2", "vary_coeff"] = Field(default="bh1", description="UniPC variant")
    uni_pc_skip_type: Literal["time_uniform", "time_quadratic", "logSNR"] = Field(
        default="time_uniform", description="UniPC skip type"
    )
    uni_pc_order: int = Field(default=3, ge=1, le=50, description="UniPC order")
    uni_pc_lower_order_final: bool = Field(default=True, description="UniPC lower order final")
    sd_noise_schedule: Literal["Default", "Zero Terminal SNR"] = Field(
        default="Default", description="Noise schedule for sampling"
    )
    beta_dist_alpha: float = Field(default=0.6, ge=0.01, le=5, description="Beta scheduler: alpha")
    beta_dist_beta: float = Field(default=0.6, ge=0.01, le=5, description="Beta scheduler: beta")
    no_dpmpp_sde_batch_determinism: bool = Field(
        default=False, description="DPM++ SDE: noise of a batch depends on the batch, as before version 1.2"
    )
    enable_quantization: bool = Field(default=False, description="Round noise levels to those of the training")
    use_old_karras_scheduler_sigmas: bool = Field(default=False, description="Karras schedules run from 0.1 to 10")
    use_downcasted_alpha_bar: bool = Field(default=False, description="Round the noise table to half precision")

    localization: str = Field(
        default="Automatic",
        max_length=200,
        description="Localization: language of the page; Automatic for the browser's, None for English",
    )
    live_previews_enable: bool = Field(default=True, description="Show live previews of the created image")
    show_progress_every_n_steps: int = Field(default=1, ge=-1, le=32, description="Live preview period, steps; -1 off")


WITHOUT_EFFECT = frozenset({"dont_fix_second_order_samplers_schedule", "ddim_discretize"})
"""Settings that A1111 still lists and reads nowhere. Clients may send them."""


def setting_names() -> frozenset[str]:
    """Return the names of all settings this version knows."""
    return frozenset(Settings.model_fields)


def is_output_folder(name: str) -> bool:
    """Whether the setting called `name` says where files are written."""
    return Settings.model_fields[name].json_schema_extra == OUTPUT_FOLDER


def with_changes(settings: Settings, changes: dict[str, Any]) -> Settings:
    """Return `settings` with `changes` validated and applied.

    Raises:
        InvalidRequest: a name is unknown or a value does not fit; the message names it.
    """
    changes = {name: value for name, value in changes.items() if name not in WITHOUT_EFFECT}
    unknown = sorted(set(changes) - setting_names())
    if unknown:
        raise InvalidRequest(f"Unknown setting: {', '.join(unknown)}. GET /sdapi/v1/options lists the settings.")
    try:
        return Settings.model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"Setting {name} = {first['input']!r}: {first['msg']}.") from error
