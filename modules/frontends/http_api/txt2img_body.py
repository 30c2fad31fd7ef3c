"""The body of `POST /sdapi/v1/txt2img`: every field of A1111 1.10's, and what it means here."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from modules.core.parameters import Txt2Img
from modules.core.samplers import split_combined_name

FIELD_NAMES = {"batch_count": "n_iter", "sampler": "sampler_name"}


class Txt2ImgBody(BaseModel):
    """A1111's names and defaults. A field of null is as good as one left out; unknown fields are ignored, as there.

    Ranges are those of `Txt2Img`. Fields that have no meaning here yet are refused when they would change the picture,
    see `unsupported`.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    prompt: str = ""
    negative_prompt: str = ""
    styles: list[str] = Field(default=[], description="names of saved styles")
    seed: int = -1
    subseed: int = -1
    subseed_strength: float = 0
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
    firstpass_image: str | None = None
    comments: dict[str, JsonValue] | None = None
    enable_hr: bool = False
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = ""
    hr_negative_prompt: str = ""
    force_task_id: str | None = Field(default=None, description="id under which /internal/progress knows the job")
    sampler_index: str = Field(default="Euler", description="used when sampler_name is missing")
    script_name: str | None = None
    script_args: list[JsonValue] = []
    send_images: bool = Field(default=True, description="return the pictures")
    save_images: bool = Field(default=False, description="save the pictures as the settings say")
    alwayson_scripts: dict[str, JsonValue] = {}
    infotext: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in body.items() if value is not None}  # pyright: ignore[reportUnknownVariableType] # JSON

    def to_request(self) -> Txt2Img:
        """Return the request that this body asks for.

        Raises:
            RequestValidationError: a value is out of range; the error names the field as the client calls it.
            UnknownName: the sampler or the schedule type does not exist.
        """
        sampler, scheduler = split_combined_name(self.sampler_name or self.sampler_index, self.scheduler)
        try:
            return Txt2Img(
                prompt=self.prompt,
                negative_prompt=self.negative_prompt,
                styles=tuple(self.styles),
                sampler=sampler,
                scheduler=scheduler,
                steps=self.steps,
                cfg_scale=self.cfg_scale,
                seed=self.seed,
                subseed=self.subseed,
                width=self.width,
                height=self.height,
                batch_count=self.n_iter,
                batch_size=self.batch_size,
                eta=self.eta,
                save_images=self.save_images and not self.do_not_save_samples,
                # A1111 makes no grid for a client that does not save
                make_grid=self.save_images and not self.do_not_save_grid,
            )
        except ValidationError as error:
            raise RequestValidationError([_as_body_field(entry) for entry in _entries(error)]) from error


def _entries(error: ValidationError) -> list[dict[str, Any]]:
    return [dict(entry) for entry in error.errors(include_url=False, include_context=False)]


def _as_body_field(entry: dict[str, Any]) -> dict[str, Any]:
    name, *rest = entry["loc"]
    return entry | {"loc": ("body", FIELD_NAMES.get(name, name), *rest)}
