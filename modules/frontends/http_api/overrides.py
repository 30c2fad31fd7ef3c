"""Settings that a client changes for its request: which of them it may, and to what."""

from typing import Any

from modules.frontends.backend import Backend

CHECKPOINT = "sd_model_checkpoint"


def check_overrides(backend: Backend, changes: dict[str, Any]) -> None:
    """Return quietly if a client may have `changes` for its request, before the request waits its turn in vain.

    Raises:
        InvalidRequest: a setting is unknown, its value does not fit, or it leads out of the data folder.
        UnknownName: there is no checkpoint of that name.
    """
    changed = backend.settings.overridden(changes)
    if changed.sd_model_checkpoint and CHECKPOINT in changes:
        backend.checkpoints.find(changed.sd_model_checkpoint)
