"""How people find settings: by A1111's sections, and what else is to be said of some of them."""

from typing import NamedTuple


class Section(NamedTuple):
    """Settings that belong together.

    Attributes:
        label: A1111's, where it has such a section.
        names: of the settings, in the order in which they are shown.
    """

    label: str
    names: tuple[str, ...]


SECTIONS = (
    Section(
        "Saving images/grids",
        (
            "samples_save",
            "samples_format",
            "samples_filename_pattern",
            "save_images_add_number",
            "save_images_replace_action",
            "grid_save",
            "grid_format",
            "grid_extended_filename",
            "grid_only_if_multiple",
            "grid_prevent_empty_spots",
            "n_rows",
            "save_txt",
            "save_init_img",
            "save_images_before_color_correction",
            "save_images_before_highres_fix",
            "save_mask",
            "save_mask_composite",
            "save_incomplete_images",
            "jpeg_quality",
            "webp_lossless",
            "export_for_4chan",
            "img_downscale_threshold",
            "target_side_length",
            "img_max_size_mp",
        ),
    ),
    Section(
        "Paths for saving",
        (
            "outdir_samples",
            "outdir_txt2img_samples",
            "outdir_img2img_samples",
            "outdir_grids",
            "outdir_txt2img_grids",
            "outdir_img2img_grids",
            "outdir_init_images",
        ),
    ),
    Section(
        "Saving to a directory",
        ("save_to_dirs", "grid_save_to_dirs", "directories_filename_pattern", "directories_max_prompt_words"),
    ),
    Section(
        "Stable Diffusion",
        (
            "sd_model_checkpoint",
            "sd_checkpoints_limit",
            "sd_checkpoints_keep_in_cpu",
            "sd_checkpoint_use_ema",
            "emphasis",
            "comma_padding_backtrack",
            "enable_prompt_comments",
            "CLIP_stop_at_last_layers",
            "sdxl_clip_l_skip",
            "upcast_attn",
            "randn_source",
            "tiling",
            "hires_fix_refiner_pass",
            "enable_quantization",
        ),
    ),
    Section(
        "Stable Diffusion XL",
        (
            "sdxl_crop_top",
            "sdxl_crop_left",
            "sdxl_refiner_low_aesthetic_score",
            "sdxl_refiner_high_aesthetic_score",
        ),
    ),
    Section(
        "VAE",
        (
            "sd_vae",
            "sd_vae_overrides_per_model_preferences",
            "auto_vae_precision",
            "auto_vae_precision_bfloat16",
        ),
    ),
    Section(
        "img2img",
        (
            "inpainting_mask_weight",
            "initial_noise_multiplier",
            "img2img_extra_noise",
            "img2img_color_correction",
            "img2img_fix_steps",
            "img2img_background_color",
            "upscaler_for_img2img",
            "overlay_inpaint",
            "return_mask",
            "return_mask_composite",
        ),
    ),
    Section(
        "Optimizations",
        (
            "s_min_uncond",
            "s_min_uncond_all",
            "pad_cond_uncond",
            "pad_cond_uncond_v0",
            "batch_cond_uncond",
            "fp8_storage",
            "cache_fp16_weight",
        ),
    ),
    Section(
        "Compatibility",
        (
            "use_old_emphasis_implementation",
            "use_old_karras_scheduler_sigmas",
            "no_dpmpp_sde_batch_determinism",
            "use_old_hires_fix_width_height",
            "hires_fix_use_firstpass_conds",
            "use_old_scheduling",
            "use_downcasted_alpha_bar",
            "refiner_switch_by_sample_steps",
            "lora_without_dora",
        ),
    ),
    Section(
        "Extra Networks",
        (
            "extra_networks_card_order_field",
            "extra_networks_card_order",
            "extra_networks_default_multiplier",
            "extra_networks_add_text_separator",
            "lora_preferred_name",
            "sd_lora",
            "sd_hypernetwork",
        ),
    ),
    Section("Gallery", ("return_grid",)),
    Section(
        "Infotext",
        (
            "enable_pnginfo",
            "add_model_name_to_info",
            "add_model_hash_to_info",
            "add_vae_name_to_info",
            "add_vae_hash_to_info",
            "add_version_to_infotext",
            "lora_add_hashes_to_infotext",
            "textual_inversion_add_hashes_to_infotext",
        ),
    ),
    Section("User interface", ("localization",)),
    Section("Live previews", ("live_previews_enable", "show_progress_every_n_steps")),
    Section(
        "Sampler parameters",
        (
            "eta_ddim",
            "eta_ancestral",
            "s_churn",
            "s_tmin",
            "s_tmax",
            "s_noise",
            "k_sched_type",
            "sigma_min",
            "sigma_max",
            "rho",
            "eta_noise_seed_delta",
            "always_discard_next_to_last_sigma",
            "sgm_noise_multiplier",
            "uni_pc_variant",
            "uni_pc_skip_type",
            "uni_pc_order",
            "uni_pc_lower_order_final",
            "sd_noise_schedule",
            "skip_early_cond",
            "beta_dist_alpha",
            "beta_dist_beta",
        ),
    ),
)

NEEDS_RESTART = frozenset({"extra_networks_card_order_field", "extra_networks_card_order"})
"""Settings that the page is built from, so that they count from the program's next start on."""

NEEDS_RELOAD = frozenset({"localization"})
"""Settings that a browser asks for when it opens the page."""
