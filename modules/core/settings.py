"""Typed settings with A1111's names and defaults. A frozen snapshot goes with each job; nothing reads settings from
anywhere else. To add a setting, add a field (see CONTRIBUTING.md).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from modules.core.errors import InvalidRequest

OUTPUT_FOLDER: dict[str, JsonValue] = {"output_folder": True}
Folder = Annotated[str, Field(json_schema_extra=OUTPUT_FOLDER)]


class Settings(BaseModel):
    """One field per setting. Relative folders are taken from the data folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sd_model_checkpoint: str | None = Field(default=None, description="Stable Diffusion checkpoint")

    samples_save: bool = Field(default=True, description="Always save all generated images")
    grid_save: bool = Field(default=True, description="Always save all generated image grids")
    grid_only_if_multiple: bool = Field(default=True, description="Do not save grids of one picture")
    return_grid: bool = Field(default=True, description="Show the grid in results")
    n_rows: int = Field(default=-1, ge=-1, le=64, description="Grid rows; -1 for near-square, 0 for the batch size")
    enable_pnginfo: bool = Field(default=True, description="Write infotext to metadata of the generated image")
    save_incomplete_images: bool = Field(default=False, description="Keep pictures that were interrupted half-way")
    outdir_samples: Folder = Field(default="", description="Output folder for all pictures; empty for those below")
    outdir_txt2img_samples: Folder = Field(default="outputs/txt2img-images", description="Output folder of txt2img")
    outdir_grids: Folder = Field(default="", description="Output folder for all grids; empty for those below")
    outdir_txt2img_grids: Folder = Field(default="outputs/txt2img-grids", description="Output folder of txt2img grids")
    save_to_dirs: bool = Field(default=True, description="Save images to a subdirectory per day")
    grid_save_to_dirs: bool = Field(default=True, description="Save grids to a subdirectory per day")

    add_model_name_to_info: bool = Field(default=True, description="Add model name to infotext")
    add_model_hash_to_info: bool = Field(default=True, description="Add model hash to infotext")
    add_version_to_infotext: bool = Field(default=True, description="Add program version to infotext")

    CLIP_stop_at_last_layers: int = Field(default=1, ge=1, le=12, description="Clip skip")
    comma_padding_backtrack: int = Field(default=20, ge=0, le=74, description="Prompt word wrap length limit, tokens")
    enable_prompt_comments: bool = Field(default=True, description="Ignore text after # in prompts")
    randn_source: Literal["GPU", "CPU"] = Field(default="GPU", description="Random number generator source")
    eta_ancestral: float = Field(default=1.0, ge=0, le=1, description="Eta for k-diffusion samplers")
    eta_noise_seed_delta: int = Field(default=0, ge=0, le=2**32, description="Eta noise seed delta")

    live_previews_enable: bool = Field(default=True, description="Show live previews of the created image")
    show_progress_every_n_steps: int = Field(default=1, ge=-1, le=32, description="Live preview period, steps; -1 off")


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
    unknown = sorted(set(changes) - setting_names())
    if unknown:
        raise InvalidRequest(f"Unknown setting: {', '.join(unknown)}. GET /sdapi/v1/options lists the settings.")
    try:
        return Settings.model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"Setting {name} = {first['input']!r}: {first['msg']}.") from error
