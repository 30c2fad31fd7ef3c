"""The body of `POST /sdapi/v1/img2img`: every field of A1111 1.10's, and what it means here."""

from typing import Any

from pydantic import Field, JsonValue, ValidationError

from modules.core.errors import InvalidRequest
from modules.core.parameters import Img2Img, ResizeMode, SoftInpainting
from modules.frontends.http_api.generation_body import GenerationBody, validated
from modules.frontends.http_api.pictures import read_picture

RESIZE_MODES: tuple[ResizeMode, ...] = ("just resize", "crop and resize", "resize and fill", "latent upscale")
CONTENTS = ("fill", "original", "latent noise", "latent nothing")
DEFAULT_BLUR = 4
SOFT_INPAINTING = "soft inpainting"


class Img2ImgBody(GenerationBody):
    """See `GenerationBody`."""

    init_images: list[str] = Field(default=[], description="pictures to begin with, base64")
    resize_mode: int = 0
    denoising_strength: float | None = 0.75
    image_cfg_scale: float | None = None
    mask: str | None = None
    mask_blur_x: int = DEFAULT_BLUR
    mask_blur_y: int = DEFAULT_BLUR
    mask_blur: int | None = None
    mask_round: bool = True
    inpainting_fill: int = 0
    inpaint_full_res: bool = True
    inpaint_full_res_padding: int = 0
    inpainting_mask_invert: int = 0
    initial_noise_multiplier: float | None = None
    latent_mask: str | None = None
    include_init_images: bool = False

    def to_request(self) -> Img2Img:
        """Return the request that this body asks for.

        Raises:
            RequestValidationError: a value is out of range; the error names the field as the client calls it.
            InvalidRequest: the sampler or the schedule type does not exist, there is no picture to begin with, or a
                picture is none.
        """
        if not self.init_images:
            mask = " A mask alone is no picture to begin with." if self.mask else ""
            raise InvalidRequest(f"init_images is empty. Send at least one picture as base64.{mask}")
        images = tuple(read_picture(text, f"init_images[{n}]") for n, text in enumerate(self.init_images))
        fields = self.common_fields()
        if 1 < len(images) < self.batch_size:
            fields["batch_size"] = len(images)  # as A1111
        fields |= {
            "images": images,
            "resize_mode": _choice(RESIZE_MODES, self.resize_mode, "resize_mode"),
            "image_cfg_scale": self.image_cfg_scale,
            "initial_noise_multiplier": self.initial_noise_multiplier,
            "inpaint": self._inpaint(),
        }
        if self.denoising_strength is not None:
            fields["denoising_strength"] = self.denoising_strength
        return validated(Img2Img, fields)

    def _inpaint(self) -> dict[str, Any] | None:
        if self.mask is None:
            return None
        return {
            "mask": read_picture(self.mask, "mask"),
            "blur_x": self.mask_blur_x if self.mask_blur is None else self.mask_blur,
            "blur_y": self.mask_blur_y if self.mask_blur is None else self.mask_blur,
            "round_mask": self.mask_round,
            "invert": bool(self.inpainting_mask_invert),
            "content": _choice(CONTENTS, self.inpainting_fill, "inpainting_fill"),
            "only_masked": self.inpaint_full_res,
            "padding": self.inpaint_full_res_padding,
            "soft": _soft(self.alwayson_scripts),
        }


def _choice(choices: tuple[str, ...], number: int, field: str) -> str:
    if not 0 <= number < len(choices):
        known = ", ".join(f"{index} {choice}" for index, choice in enumerate(choices))
        raise InvalidRequest(f"{field} is {number}. It may be: {known}.")
    return choices[number]


def _soft(scripts: dict[str, JsonValue]) -> SoftInpainting | None:
    """Return what the arguments of A1111's built-in extension say, in their order there."""
    script = next((value for name, value in scripts.items() if name.casefold() == SOFT_INPAINTING), None)
    arguments = script.get("args") if isinstance(script, dict) else script
    if not isinstance(arguments, list) or not arguments or not arguments[0]:
        return None
    given = dict(zip(SoftInpainting.model_fields, arguments[1:], strict=False))
    try:
        return SoftInpainting.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise InvalidRequest(f"Soft inpainting: {first['loc'][0]} = {first['input']!r}: {first['msg']}.") from error
