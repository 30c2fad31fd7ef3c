"""From what was typed into a tab to a request, or to a sentence that says what is wrong with it."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from pydantic import ValidationError

from modules.core.errors import InvalidRequest
from modules.core.parameters import HiresFix, Img2Img, Picture, Refiner, ResizeMode, SoftInpainting, Txt2Img
from modules.imaging.picture_size import picture_size

SAME_CHECKPOINT = "Use same checkpoint"
SAME_SAMPLER = "Use same sampler"
SAME_SCHEDULER = "Use same scheduler"
SAME = frozenset({SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER})
"""Choices that stand for a field left out."""


MAX_SCALE = 16


class Field(NamedTuple):
    """A field of a form.

    Attributes:
        name: its own, in memories and histories of forms.
        label: what it is called on the page.
        default: its value on a fresh page.
        path: where its value goes in the request; () for a switch.
        part: name of the switch that must be on for it to count; "" for none.
    """

    name: str
    label: str
    default: Any
    path: tuple[str, ...]
    part: str = ""


_TXT2IMG, _HIRES, _REFINER = Txt2Img(), HiresFix(), Refiner(checkpoint="x")

PROMPTS = (
    Field("prompt", "Prompt", "", ("prompt",)),
    Field("negative_prompt", "Negative prompt", "", ("negative_prompt",)),
    Field("styles", "Styles", [], ("styles",)),
)
SAMPLING = (
    Field("sampler", "Sampling method", _TXT2IMG.sampler, ("sampler",)),
    Field("scheduler", "Schedule type", _TXT2IMG.scheduler, ("scheduler",)),
    Field("steps", "Sampling steps", _TXT2IMG.steps, ("steps",)),
)
SIZES = (
    Field("width", "Width", _TXT2IMG.width, ("width",)),
    Field("height", "Height", _TXT2IMG.height, ("height",)),
    Field("batch_count", "Batch count", _TXT2IMG.batch_count, ("batch_count",)),
    Field("batch_size", "Batch size", _TXT2IMG.batch_size, ("batch_size",)),
    Field("cfg_scale", "CFG Scale", _TXT2IMG.cfg_scale, ("cfg_scale",)),
)
SEEDS = (
    Field("seed", "Seed", str(_TXT2IMG.seed), ("seed",)),
    Field("seed_extra", "Extra", False, ()),
    Field("subseed", "Variation seed", str(_TXT2IMG.subseed), ("subseed",), "seed_extra"),
    Field("subseed_strength", "Variation strength", 0.0, ("subseed_strength",), "seed_extra"),
    Field("seed_resize_from_width", "Resize seed from width", 0, ("seed_resize_from_width",), "seed_extra"),
    Field("seed_resize_from_height", "Resize seed from height", 0, ("seed_resize_from_height",), "seed_extra"),
)
HIRES = (
    Field("enable_hr", "Hires. fix", False, ()),
    Field("hr_upscaler", "Upscaler", _HIRES.upscaler, ("hires", "upscaler"), "enable_hr"),
    Field("hr_steps", "Hires steps", _HIRES.steps, ("hires", "steps"), "enable_hr"),
    Field(
        "hr_denoising", "Denoising strength", _HIRES.denoising_strength, ("hires", "denoising_strength"), "enable_hr"
    ),
    Field("hr_scale", "Upscale by", _HIRES.scale, ("hires", "scale"), "enable_hr"),
    Field("hr_width", "Resize width to", _HIRES.width, ("hires", "width"), "enable_hr"),
    Field("hr_height", "Resize height to", _HIRES.height, ("hires", "height"), "enable_hr"),
    Field("hr_checkpoint", "Hires checkpoint", SAME_CHECKPOINT, ("hires", "checkpoint"), "enable_hr"),
    Field("hr_sampler", "Hires sampling method", SAME_SAMPLER, ("hires", "sampler"), "enable_hr"),
    Field("hr_scheduler", "Hires schedule type", SAME_SCHEDULER, ("hires", "scheduler"), "enable_hr"),
    Field("hr_prompt", "Hires prompt", "", ("hires", "prompt"), "enable_hr"),
    Field("hr_negative_prompt", "Hires negative prompt", "", ("hires", "negative_prompt"), "enable_hr"),
)
REFINER = (
    Field("enable_refiner", "Refiner", False, ()),
    Field("refiner_checkpoint", "Checkpoint", None, ("refiner", "checkpoint"), "enable_refiner"),
    Field("refiner_switch_at", "Switch at", _REFINER.switch_at, ("refiner", "switch_at"), "enable_refiner"),
)
OVERRIDES = Field("overrides", "Override settings", [], ())
TXT2IMG_FIELDS: tuple[Field, ...] = (*PROMPTS, *SAMPLING, *SIZES, *SEEDS, *HIRES, *REFINER, OVERRIDES)
"""Of the txt2img tab, in the order of the events' inputs."""

RESIZE_MODES: dict[str, ResizeMode] = {
    "Just resize": "just resize",
    "Crop and resize": "crop and resize",
    "Resize and fill": "resize and fill",
    "Just resize (latent upscale)": "latent upscale",
}
"""A1111's words, and what a request calls them."""

RESIZE_TO, RESIZE_BY = "Resize to", "Resize by"
MASKED, NOT_MASKED = "Inpaint masked", "Inpaint not masked"
WHOLE, ONLY_MASKED = "Whole picture", "Only masked"
CONTENTS = ("fill", "original", "latent noise", "latent nothing")
IMG2IMG_MODES = ("img2img", "sketch", "inpaint", "inpaint_sketch", "inpaint_upload")

_SOFT = SoftInpainting()
PICTURES = (
    Field("mode", "Mode", IMG2IMG_MODES[0], ()),
    Field("image", "Image", "", ()),
    Field("mask", "Mask", "", ()),
)
FROM_PICTURE = (
    Field("resize_mode", "Resize mode", "Just resize", ("resize_mode",)),
    Field("size_mode", "Size", RESIZE_TO, ()),
    Field("scale", "Scale", 1.0, ()),
    Field("denoising_strength", "Denoising strength", 0.75, ("denoising_strength",)),
)
INPAINT = (
    Field("mask_blur", "Mask blur", 4, ("inpaint", "blur_x")),
    Field("mask_mode", "Mask mode", MASKED, ()),
    Field("masked_content", "Masked content", "original", ("inpaint", "content")),
    Field("inpaint_area", "Inpaint area", WHOLE, ()),
    Field("padding", "Only masked padding, pixels", 32, ("inpaint", "padding")),
    Field("soft", "Soft inpainting", False, ()),
    Field("soft_schedule_bias", "Schedule bias", _SOFT.schedule_bias, ("inpaint", "soft", "schedule_bias"), "soft"),
    Field(
        "soft_preservation",
        "Preservation strength",
        _SOFT.preservation_strength,
        ("inpaint", "soft", "preservation_strength"),
        "soft",
    ),
    Field(
        "soft_contrast",
        "Transition contrast boost",
        _SOFT.transition_contrast_boost,
        ("inpaint", "soft", "transition_contrast_boost"),
        "soft",
    ),
    Field("soft_mask", "Mask influence", _SOFT.mask_influence, ("inpaint", "soft", "mask_influence"), "soft"),
    Field(
        "soft_threshold",
        "Difference threshold",
        _SOFT.difference_threshold,
        ("inpaint", "soft", "difference_threshold"),
        "soft",
    ),
    Field(
        "soft_difference",
        "Difference contrast",
        _SOFT.difference_contrast,
        ("inpaint", "soft", "difference_contrast"),
        "soft",
    ),
)
IMG2IMG_FIELDS: tuple[Field, ...] = (
    *PROMPTS,
    *PICTURES,
    *SAMPLING,
    *FROM_PICTURE,
    *SIZES,
    *SEEDS,
    *INPAINT,
    *REFINER,
    OVERRIDES,
)
"""Of the img2img tab, in the order of the events' inputs."""

_SEEDS = frozenset({"seed", "subseed"})


def read_txt2img(values: Mapping[str, object]) -> Txt2Img:
    """Return the request that the txt2img form's `values` ask for.

    Raises:
        InvalidRequest: a value does not fit; the message names the field as the page does.
        UnknownName: there is no such sampler, schedule type or upscaler.
    """
    request = assemble(TXT2IMG_FIELDS, values)
    with named_errors(TXT2IMG_FIELDS):
        return Txt2Img.model_validate(request)


def read_img2img(values: Mapping[str, object], picture: Callable[[str], bytes]) -> Img2Img:
    """Return the request that the img2img form's `values` ask for.

    Args:
        values: by name.
        picture: returns the file that was sent under an id; raises `UnknownName`.

    Raises:
        InvalidRequest: a value does not fit; the message names the field as the page does.
        UnknownName: there is no such sampler or schedule type, or a picture is not there any more.
    """
    image, mask = str(values.get("image") or ""), str(values.get("mask") or "")
    if not image:
        raise InvalidRequest("There is no picture to begin with: choose one, or drop it on the frame.")
    paints = "inpaint" in str(values["mode"])
    request = assemble([field for field in IMG2IMG_FIELDS if paints or field not in INPAINT], values)
    data = picture(image)
    if paints:
        if not mask:
            raise InvalidRequest("Nothing is masked: paint over what shall be made anew.")
        request["inpaint"] |= {
            "mask": Picture(data=picture(mask)),
            "blur_y": request["inpaint"]["blur_x"],
            "invert": values["mask_mode"] == NOT_MASKED,
            "only_masked": values["inpaint_area"] == ONLY_MASKED,
        }
    if values["size_mode"] == RESIZE_BY:
        request |= _scaled(data, values["scale"])
    resize_mode = RESIZE_MODES.get(str(values["resize_mode"]), values["resize_mode"])
    with named_errors(IMG2IMG_FIELDS):
        return Img2Img.model_validate(request | {"images": (Picture(data=data),), "resize_mode": resize_mode})


def _scaled(data: bytes, scale: object) -> dict[str, int]:
    if not isinstance(scale, int | float) or not 0 < scale <= MAX_SCALE:
        raise InvalidRequest(f"Scale: enter a number above 0 and up to {MAX_SCALE}, not {_shown(scale)}.")
    width, height = picture_size(data)
    return {"width": int(width * scale), "height": int(height * scale)}


def assemble(fields: Sequence[Field], values: Mapping[str, object]) -> dict[str, Any]:
    """Return a request as nested dicts; fields whose part is off are left out.

    Raises:
        InvalidRequest: a field is empty, or a seed is no whole number.
    """
    request: dict[str, Any] = {}
    for field in fields:
        if not field.path or (field.part and not values.get(field.part)):
            continue
        value = values.get(field.name)
        if value is None:
            raise InvalidRequest(f"{field.label} is empty: enter a value.")
        if isinstance(value, str) and value in SAME:
            continue
        *outer, last = field.path
        place = request
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = _read_seed(field, value) if field.name in _SEEDS else value
    return request


@contextmanager
def named_errors(fields: Sequence[Field]) -> Generator[None]:
    """Let pydantic's errors in this context name the fields as the page does.

    Raises:
        InvalidRequest: in place of pydantic's.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = tuple(str(part) for part in first["loc"])
        label = next((field.label for field in fields if field.path and field.path == place[: len(field.path)]), "")
        if not label:  # several fields do not go together; the message says which
            raise InvalidRequest(f"{first['msg'].removeprefix('Value error, ')}.") from error
        raise InvalidRequest(f"{label}: {_lower_first(first['msg'])}, not {_shown(first['input'])}.") from error


def defaults(fields: Sequence[Field]) -> dict[str, Any]:
    """Return the values of a fresh form by name."""
    return {field.name: field.default for field in fields}


def _read_seed(field: Field, value: object) -> int:
    """Read the text box of a seed exactly; an empty one means a random seed, as -1 does."""
    text = str(value).strip()
    try:
        return int(text) if text else -1
    except ValueError:
        raise InvalidRequest(
            f"{field.label}: enter a whole number, or -1 for a random one, not {_shown(value)}."
        ) from None


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}… ({len(text)} characters)"
