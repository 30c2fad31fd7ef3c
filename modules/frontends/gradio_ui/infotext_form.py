"""From infotexts to the fields of a form."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, cast

from modules.core.errors import EaselError
from modules.core.settings import Settings
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.form import (
    IMG2IMG_FIELDS,
    MASKED,
    NOT_MASKED,
    ONLY_MASKED,
    OVERRIDES,
    RESIZE_TO,
    SAME,
    TXT2IMG_FIELDS,
    WHOLE,
    Field,
)
from modules.imaging.hires_size import hires_size
from modules.imaging.infotext_request import InfotextRequest, request_from_infotext
from modules.imaging.override_texts import override_texts

HIRES_SIZE_FIELDS = ("enable_hr", "width", "height", "hr_scale", "hr_width", "hr_height")

_CHECKPOINT = "sd_model_checkpoint"
_SEEDS = frozenset({"seed", "subseed"})
_SETTINGS_OF_FIELDS = {"eta": ("eta_ancestral", "eta_ddim"), "s_min_uncond": ("s_min_uncond",), "tiling": ("tiling",)}
"""What a request can say and a form has no field for."""


def txt2img_form_of(text: str, backend: Backend) -> dict[str, Any]:
    """Return the values of the txt2img form that an infotext means, by name; what it does not say is left out.

    Args:
        text: of A1111 of any age, of its forks, or of Civitai.
        backend: knows the checkpoints and the settings.
    """
    read = request_from_infotext(text)
    values = _values(TXT2IMG_FIELDS, read.txt2img())
    if not read.settings:  # a prompt and nothing more
        return values
    values["enable_hr"] = read.hires is not None
    _common_switches(values, read, backend)
    return values


def img2img_form_of(text: str, backend: Backend) -> dict[str, Any]:
    """Return the values of the img2img form that an infotext means; see `txt2img_form_of`."""
    read = request_from_infotext(text)
    inpaint = read.inpaint or {}
    values = _values(IMG2IMG_FIELDS, read.common | read.img2img | {"inpaint": inpaint})
    if not read.settings:
        return values
    _common_switches(values, read, backend)
    if "width" in values:
        values["size_mode"] = RESIZE_TO
    if read.inpaint is not None:
        values["mask_mode"] = NOT_MASKED if inpaint.get("invert") else MASKED
        values["inpaint_area"] = ONLY_MASKED if inpaint.get("only_masked") else WHOLE
        values["soft"] = "soft" in inpaint
    return values


def _common_switches(values: dict[str, Any], read: InfotextRequest, backend: Backend) -> None:
    values["enable_refiner"] = "refiner" in read.common
    values["seed_extra"] = any(
        read.common.get(name) for name in ("subseed_strength", "seed_resize_from_width", "seed_resize_from_height")
    )
    values[OVERRIDES.name] = override_texts(_overrides(read, backend))


def hires_size_html(values: Mapping[str, Any]) -> str:
    """Return "from 512x512 to 1024x1024" for the fields `HIRES_SIZE_FIELDS`; nothing while Hires. fix is off."""
    if not values["enable_hr"]:
        return ""
    try:
        size = hires_size(
            int(values["width"]) // 8 * 8,
            int(values["height"]) // 8 * 8,
            scale=float(values["hr_scale"]),
            resize_width=int(values["hr_width"]),
            resize_height=int(values["hr_height"]),
        )
    except EaselError as error:
        return f"<p>{html.escape(str(error))}</p>"
    except (TypeError, ValueError, ArithmeticError):  # a number that is being typed
        return ""
    before, after = (size.first_width, size.first_height), (size.final_width, size.final_height)
    return "<p>from <b>{}x{}</b> to <b>{}x{}</b></p>".format(*before, *after)


def _values(fields: Sequence[Field], request: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in fields:
        if not field.path:
            continue
        place: Any = request
        for name in field.path:
            place = cast("dict[str, Any]", place).get(name) if isinstance(place, dict) else None
        if place is not None:
            values[field.name] = str(place) if field.name in _SEEDS else place
        elif isinstance(field.default, str) and field.default in SAME and field.path[0] in request:
            values[field.name] = field.default
    return values


def _overrides(read: InfotextRequest, backend: Backend) -> dict[str, Any]:
    """Return the settings that an infotext means, as far as they are not as they are now."""
    wanted = dict(read.settings)
    for name, settings in _SETTINGS_OF_FIELDS.items():
        if (value := read.common.get(name)) is not None:
            wanted |= dict.fromkeys(settings, value)
    now: Settings = backend.settings.snapshot()
    changed = {name: value for name, value in wanted.items() if str(value) != str(getattr(now, name))}
    if _CHECKPOINT in changed and _is_chosen(str(changed[_CHECKPOINT]), now, backend):
        del changed[_CHECKPOINT]
    return changed


def _is_chosen(title: str, now: Settings, backend: Backend) -> bool:
    """Whether the checkpoint of an infotext is the chosen one, or not here: infotexts come from elsewhere."""
    try:
        return backend.checkpoints.find(title).path == backend.checkpoints.default(now).path
    except EaselError:
        return True
