"""What the bodies of `POST /sdapi/v1/txt2img` and `POST /sdapi/v1/img2img` have in common, in A1111 1.10's words."""

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from modules.core.errors import InvalidRequest, UnknownName
from modules.core.parameters import Generation
from modules.core.samplers import split_combined_name

FIELD_NAMES = {
    "batch_count": "n_iter",
    "seed_resize_from_width": "seed_resize_from_w",
    "seed_resize_from_height": "seed_resize_from_h",
    "images": "init_images",
    "refiner.switch_at": "refiner_switch_at",
    "hires": "hr_scale",
    "hires.scale": "hr_scale",
    "hires.width": "hr_resize_x",
    "hires.height": "hr_resize_y",
    "hires.steps": "hr_second_pass_steps",
    "hires.denoising_strength": "denoising_strength",
    "hires.prompt": "hr_prompt",
    "hires.negative_prompt": "hr_negative_prompt",
    "hires.cfg_scale": "hr_cfg",
    "inpaint.blur_x": "mask_blur_x",
    "inpaint.blur_y": "mask_blur_y",
    "inpaint.padding": "inpaint_full_res_padding",
}
"""Our names of fields that have a range, and those of the client where they differ."""

NONE = ("", "None")

RequestT = TypeVar("RequestT", bound=Generation)


class GenerationBody(BaseModel):
    """A1111's names and defaults. A field of null is as good as one left out; unknown fields are ignored, as there.

    Ranges are those of `Generation`. Fields that have no meaning here yet are refused when they would change the
    picture, see `unsupported`.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    prompt: str = ""
    negative_prompt: str = ""
    styles: list[str] = Field(default=[], description="names of saved styles")
    seed: int = -1
    subseed: int = Field(default=-1, description="variation seed")
    subseed_strength: float = Field(default=0, description="variation strength, 0..1")
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    sampler_name: str | None = Field(default=None, description="old combined names (DPM++ 2M Karras) are accepted")
    scheduler: str | None = None
    batch_size: int = 1
    n_iter: int = Field(default=1, description="how many batches are made one after the other")
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    restore_faces: bool | None = None
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    eta: float | None = None
    denoising_strength: float | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, JsonValue] = Field(default={}, description="settings for this request")
    override_settings_restore_afterwards: bool = Field(default=True, description="false keeps them for later requests")
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    comments: dict[str, JsonValue] | None = None
    force_task_id: str | None = Field(default=None, description="id under which /internal/progress knows the job")
    sampler_index: str = Field(default="Euler", description="used when sampler_name is missing")
    script_name: str | None = None
    script_args: list[JsonValue] = []
    send_images: bool = Field(default=True, description="return the pictures")
    save_images: bool = Field(default=False, description="save the pictures as the settings say")
    alwayson_scripts: dict[str, JsonValue] = {}
    infotext: str | None = Field(default=None, description="says what the fields that are left out should be")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if value is not None}  # pyright: ignore[reportUnknownVariableType] # JSON

    def common_fields(self) -> dict[str, Any]:
        """Return the fields of `Generation` that this body fills.

        Raises:
            InvalidRequest: the sampler or the schedule type does not exist.
        """
        sampler, scheduler = sampler_names(self.sampler_name or self.sampler_index, self.scheduler)
        return {
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "styles": tuple(self.styles),
            "sampler": sampler,
            "scheduler": scheduler,
            "steps": self.steps,
            "cfg_scale": self.cfg_scale,
            "seed": self.seed,
            "subseed": self.subseed,
            "subseed_strength": self.subseed_strength,
            # A1111: below 1 is none
            "seed_resize_from_width": max(0, self.seed_resize_from_w),
            "seed_resize_from_height": max(0, self.seed_resize_from_h),
            "width": self.width,
            "height": self.height,
            "batch_count": self.n_iter,
            "batch_size": self.batch_size,
            "eta": self.eta,
            "s_churn": self.s_churn,
            "s_tmin": self.s_tmin,
            "s_tmax": self.s_tmax,
            "s_noise": self.s_noise,
            "s_min_uncond": self.s_min_uncond,
            "tiling": self.tiling,
            "refiner": self._refiner(),
            "extra_networks": not self.disable_extra_networks,
            "save_images": self.save_images and not self.do_not_save_samples,
            # A1111 makes no grid for a client that does not save
            "make_grid": self.save_images and not self.do_not_save_grid,
        }

    def _refiner(self) -> dict[str, Any] | None:
        if not self.refiner_checkpoint or self.refiner_checkpoint in NONE or not self.refiner_switch_at:
            return None  # A1111's: a refiner that takes over at 0 does not work at all
        return {"checkpoint": self.refiner_checkpoint, "switch_at": self.refiner_switch_at}


def sampler_names(sampler: str, scheduler: str | None) -> tuple[str, str]:
    """Return the labels of a sampler and a schedule type; see `split_combined_name`.

    Raises:
        InvalidRequest: there is none of that name. In a body it is a wrong value like any other, and no wrong address.
    """
    try:
        return split_combined_name(sampler, scheduler)
    except UnknownName as error:
        raise InvalidRequest(str(error)) from error


def validated(kind: type[RequestT], fields: dict[str, Any]) -> RequestT:
    """Return the request of a kind that has these fields.

    Raises:
        RequestValidationError: a value is out of range; the error names the field as the client calls it.
        InvalidRequest: a schedule type or an upscaler does not exist.
    """
    try:
        return kind.model_validate(fields)
    except UnknownName as error:
        raise InvalidRequest(str(error)) from error
    except ValidationError as error:
        raise RequestValidationError([_as_body_field(entry) for entry in _entries(error)]) from error


def _entries(error: ValidationError) -> list[dict[str, Any]]:
    return [dict(entry) for entry in error.errors(include_url=False, include_context=False)]


def _as_body_field(entry: dict[str, Any]) -> dict[str, Any]:
    # What is wrong with a request as a whole is the number of its pictures.
    place: tuple[str | int, ...] = entry["loc"] or ("images",)
    # The longest known beginning of the place: pydantic may add numbers and names of its own behind it.
    for end in range(len(place), 0, -1):
        if name := FIELD_NAMES.get(".".join(map(str, place[:end]))):
            return entry | {"loc": ("body", name, *place[end:])}
    return entry | {"loc": ("body", *place)}
