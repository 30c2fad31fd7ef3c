"""Routes of our own for the page's Settings tab: what there is to set, described, and several changes at once."""

from typing import Any, Literal, get_args, get_origin

from fastapi import APIRouter
from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo

from modules.core.errors import EaselError
from modules.core.setting_sections import NEEDS_RELOAD, NEEDS_RESTART, SECTIONS
from modules.core.settings import Settings, is_output_folder
from modules.core.upscalers import PICTURE_UPSCALERS
from modules.frontends.backend import Backend
from modules.frontends.http_api.overrides import CHECKPOINT, check_overrides
from modules.library.kinds import ModelKind
from modules.storage.localizations import AUTOMATIC, ENGLISH, find_packs

SettingKind = Literal["flag", "whole", "number", "text", "choice", "colour"]

NONE = "None"
"""What a choice calls the absence of a value."""


class SettingEntry(BaseModel):
    """One setting, as it is and as it may be.

    Attributes:
        name: its key.
        label: what it is, in words.
        kind: of its value.
        value: as it is now.
        default: as it is at first.
        minimum: of a number, None without limit.
        maximum: likewise.
        choices: of a choice.
        fixed: why it cannot be changed here; empty when it can.
        note: what else is to be known before it is changed.
    """

    name: str
    label: str
    kind: SettingKind
    value: JsonValue
    default: JsonValue
    minimum: float | None = None
    maximum: float | None = None
    choices: list[str] = []
    fixed: str = ""
    note: str = ""


class SettingsSection(BaseModel):
    """Settings that belong together, and what is to be known before any of them is changed."""

    label: str
    note: str
    settings: list[SettingEntry]


class ChangesBody(BaseModel):
    """New values by name."""

    changes: dict[str, JsonValue]


class ChangesAnswer(BaseModel):
    """The settings that were refused, with the reason; without any, all were changed."""

    refused: dict[str, str]


def settings_page_router(backend: Backend) -> APIRouter:
    """Return the routes. None is `async`: they look at files, so each runs in a thread."""
    router = APIRouter(prefix="/internal")

    @router.get("/settings")
    def settings() -> list[SettingsSection]:
        """Describe all settings, in sections."""
        now = backend.settings.snapshot()
        return [
            SettingsSection(
                label=section.label,
                note=_folder_note(backend) if any(is_output_folder(name) for name in section.names) else "",
                settings=[_entry(name, now, backend) for name in section.names],
            )
            for section in SECTIONS
        ]

    @router.post("/settings")
    def change(body: ChangesBody) -> ChangesAnswer:
        """Change settings; nothing changes unless all of them can."""
        refused = {name: reason for name, value in body.changes.items() if (reason := _refusal(backend, name, value))}
        if body.changes and not refused:
            backend.settings.update(body.changes, trusted=False)
        return ChangesAnswer(refused=refused)

    return router


def _refusal(backend: Backend, name: str, value: JsonValue) -> str:
    """Return why a setting cannot have a value; nothing when it can."""
    if name == CHECKPOINT:
        return _CHECKPOINT_REASON
    try:
        check_overrides(backend, {name: value})
    except EaselError as error:
        return str(error)
    return ""


def _entry(name: str, now: Settings, backend: Backend) -> SettingEntry:
    field = Settings.model_fields[name]
    choices = _choices(name, field, backend)
    value, default = getattr(now, name), field.default
    if choices and field.default is None:
        value, default = value or NONE, NONE
    if choices and value not in choices:  # of a file that is gone
        choices.append(value)
    return SettingEntry(
        name=name,
        label=field.description or name,
        kind="choice" if choices else _kind(field),
        value=value,
        default=default,
        minimum=_limit(field, "ge"),
        maximum=_limit(field, "le"),
        choices=choices,
        fixed=_CHECKPOINT_REASON if name == CHECKPOINT else "",
        note=_note(name),
    )


def _note(name: str) -> str:
    if name in NEEDS_RESTART:
        return "Takes effect when the program is started again."
    return "Takes effect when the page is opened again." if name in NEEDS_RELOAD else ""


_CHECKPOINT_REASON = "Is chosen at the top of the page, or by its card."


def _folder_note(backend: Backend) -> str:
    paths = backend.paths
    return (
        f"Folders can be chosen here within the data folder {paths.data}. To write pictures elsewhere, edit "
        f"{paths.settings_file.name} on the machine itself."
    )


def _choices(name: str, field: FieldInfo, backend: Backend) -> list[str]:
    if get_origin(field.annotation) is Literal:
        return [str(choice) for choice in get_args(field.annotation)]
    if name == "sd_vae":
        return ["Automatic", NONE, *(entry.name for entry in backend.library.all(ModelKind.VAE))]
    if name == "localization":
        return [AUTOMATIC, ENGLISH, *find_packs(backend.paths)]
    return list(PICTURE_UPSCALERS) if name == "upscaler_for_img2img" else []


def _kind(field: FieldInfo) -> SettingKind:
    if _limit_of(field.metadata, "pattern"):
        return "colour"
    kinds: dict[object, SettingKind] = {bool: "flag", int: "whole", float: "number"}
    return kinds.get(field.annotation, "text")


def _limit(field: FieldInfo, name: Literal["ge", "le"]) -> float | None:
    return _limit_of(field.metadata, name)


def _limit_of(metadata: list[Any], name: str) -> Any:
    return next((found for part in metadata if (found := getattr(part, name, None)) is not None), None)
