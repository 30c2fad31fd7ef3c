"""The body field `infotext`: what the client leaves out is what an infotext says, as in A1111."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, cast

from pydantic import JsonValue

from modules.core.errors import InvalidRequest, UnknownName
from modules.core.parameters import SoftInpainting
from modules.core.samplers import AUTOMATIC, split_combined_name
from modules.frontends.backend import Backend
from modules.frontends.http_api.generation_body import FIELD_NAMES
from modules.frontends.http_api.img2img_body import CONTENTS, SOFT_INPAINTING, Img2ImgBody
from modules.frontends.http_api.overrides import CHECKPOINT
from modules.frontends.http_api.txt2img_body import Txt2ImgBody
from modules.imaging.infotext_request import InfotextRequest, request_from_infotext
from modules.imaging.infotext_sampler import HIRES_SAMPLER, HIRES_SCHEDULER, SAMPLER, SCHEDULER

BodyT = TypeVar("BodyT", bound=Txt2ImgBody | Img2ImgBody)

log = logging.getLogger(__name__)

_SAMPLERS = {SAMPLER: "sampler_name", SCHEDULER: "scheduler"}
_HIRES_SAMPLERS = {HIRES_SAMPLER: "hr_sampler_name", HIRES_SCHEDULER: "hr_scheduler"}
_NAMES = FIELD_NAMES | {
    "sampler": "sampler_name",
    "refiner.checkpoint": "refiner_checkpoint",
    "hires.upscaler": "hr_upscaler",
    "hires.sampler": "hr_sampler_name",
    "hires.scheduler": "hr_scheduler",
    "hires.checkpoint": "hr_checkpoint_name",
    "inpaint.invert": "inpainting_mask_invert",
    "inpaint.content": "inpainting_fill",
    "inpaint.only_masked": "inpaint_full_res",
}

# What A1111 1.10 reads into an infotext that is silent about a mask. The interface has other defaults.
_UNSAID_OF_MASK = {"invert": False, "content": "original", "only_masked": False, "padding": 32}


def filled_from_infotext(body: BodyT, backend: Backend) -> BodyT:
    """Return `body` with what its infotext says in the fields that the client did not send; without one, `body`.

    What the client sends wins, be it a field's default; its `override_settings` win over the settings of the infotext.
    Where the infotext is silent about a setting, A1111's default is meant (see `request_from_infotext`). The checkpoint
    that it names is used if it is here, else the chosen one: infotexts come from elsewhere. A1111 takes no notice of
    the name at all unless its option `disable_weights_auto_swap` is switched off.

    Raises:
        InvalidRequest: the infotext has no parameters.
    """
    if not body.infotext or not body.infotext.strip():
        return body
    read = request_from_infotext(body.infotext)
    if not read.settings:
        raise InvalidRequest(
            "The infotext has no parameters: its last line should be like “Steps: 20, Sampler: Euler a, Seed: 1”. "
            "A text without them goes into the field prompt."
        )
    sent = body.model_fields_set | _decided_by_samplers(body)
    said = {name: value for name, value in _said(body, read).items() if name not in sent}
    settings = {name: value for name, value in read.settings.items() if name not in body.override_settings}
    if CHECKPOINT in settings and not _is_here(str(settings[CHECKPOINT]), backend):
        del settings[CHECKPOINT]
    said["override_settings"] = settings | body.override_settings
    if scripts := _soft_inpainting(body, read):
        said["alwayson_scripts"] = body.alwayson_scripts | scripts
    if left := {key: value for key, value in read.not_understood.items() if key not in _SAMPLERS | _HIRES_SAMPLERS}:
        log.warning("An infotext says what this version does not act on: %.300s", left)
    return body.model_copy(update=said)


def _said(body: Txt2ImgBody | Img2ImgBody, read: InfotextRequest) -> dict[str, Any]:
    """Return what an infotext says in the words of a body.

    Samplers that nobody knows are among it, so that they are refused like those that a client sends.
    """
    unknown = _unknown(read, _SAMPLERS)
    if isinstance(body, Txt2ImgBody):
        hires = {"enable_hr": read.hires is not None} | _unknown(read, _HIRES_SAMPLERS)
        return dict(_renamed(read.txt2img())) | hires | unknown
    inpaint = _UNSAID_OF_MASK | (read.inpaint or {})
    inpaint |= {"content": CONTENTS.index(inpaint["content"]), "invert": int(inpaint["invert"])}
    inpaint.pop("soft", None)
    return dict(_renamed(read.common | read.img2img | {"inpaint": inpaint})) | unknown


def _unknown(read: InfotextRequest, names: Mapping[str, str]) -> dict[str, str]:
    return {name: read.not_understood[key] for key, name in names.items() if key in read.not_understood}


def _renamed(fields: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the client's names of fields of a request, and of those of its parts."""
    for name, value in fields.items():
        path = f"{group}{name}"
        if isinstance(value, dict):
            yield from _renamed(cast("dict[str, Any]", value), f"{path}.")
        else:
            yield _NAMES.get(path, path), value


def _decided_by_samplers(body: Txt2ImgBody | Img2ImgBody) -> set[str]:
    """Return the fields that the client has decided by naming a sampler: it may name the schedule type with it."""
    decided: set[str] = set()
    sent = body.model_fields_set
    if "sampler_index" in sent:
        decided.add("sampler_name")
    if sent & {"sampler_index", "sampler_name"} and _names_a_schedule(body.sampler_name or body.sampler_index):
        decided.add("scheduler")
    if isinstance(body, Txt2ImgBody) and body.hr_sampler_name and _names_a_schedule(body.hr_sampler_name):
        decided.add("hr_scheduler")
    return decided


def _names_a_schedule(sampler: str) -> bool:
    try:
        return split_combined_name(sampler)[1] != AUTOMATIC
    except UnknownName:  # is refused when the request is made of the body
        return False


def _soft_inpainting(body: Txt2ImgBody | Img2ImgBody, read: InfotextRequest) -> dict[str, JsonValue]:
    """Return soft inpainting as the script that clients know, unless the client sends it itself."""
    soft = (read.inpaint or {}).get("soft")
    if soft is None or any(name.casefold() == SOFT_INPAINTING for name in body.alwayson_scripts):
        return {}
    values = [soft.get(name, field.default) for name, field in SoftInpainting.model_fields.items()]
    return {SOFT_INPAINTING: {"args": [True, *values]}}


def _is_here(checkpoint: str, backend: Backend) -> bool:
    try:
        backend.checkpoints.find(checkpoint)
    except UnknownName as error:
        log.warning("An infotext names another checkpoint, and the chosen one is used: %s", error)
        return False
    return True
