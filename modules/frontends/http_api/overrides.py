"""Settings that a client changes: which of them it may, and to what."""

from typing import Any

from modules.core.errors import InvalidRequest
from modules.core.settings import is_output_folder, with_changes
from modules.frontends.backend import Backend

CHECKPOINT = "sd_model_checkpoint"


def check_overrides(backend: Backend, changes: dict[str, Any]) -> None:
    """Return quietly if a client may have `changes` for its request, before the request waits its turn in vain.

    Raises:
        InvalidRequest: a setting is unknown, its value does not fit, or it leads out of the data folder.
        UnknownName: there is no checkpoint of that name.
    """
    now = backend.settings.snapshot()
    changed = with_changes(now, changes)
    for name in filter(is_output_folder, changes):
        if getattr(changed, name) != getattr(now, name):
            _check_folder(backend, name, getattr(changed, name))
    if changed.sd_model_checkpoint and CHECKPOINT in changes:
        backend.checkpoints.find(changed.sd_model_checkpoint)


def _check_folder(backend: Backend, name: str, folder: str) -> None:
    try:
        inside = backend.paths.output_folder(folder).is_relative_to(backend.paths.data)
    except (OSError, ValueError) as error:  # a null character, a loop of links, a name that is too long
        raise InvalidRequest(f"Setting {name} = {folder!r} is not a folder's name: {error}.") from error
    if not inside:
        raise InvalidRequest(
            f"Setting {name} = {folder!r} is outside the data folder {backend.paths.data}, where a client may not "
            "write. To write pictures elsewhere, edit config.json on the machine itself."
        )
