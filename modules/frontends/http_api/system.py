"""How the program was started, and its memory."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import psutil
from fastapi import APIRouter

from modules.core.parameters import LoadCheckpoint, UnloadCheckpoint
from modules.frontends.backend import Backend
from modules.frontends.http_api.jobs import finished_job

HIDDEN = "********"


def system_router(backend: Backend) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/sdapi/v1")

    @router.get("/cmd-flags")
    async def cmd_flags() -> dict[str, Any]:
        """The command line's flags with the folders they lead to; passwords are not among them."""
        return _flags(backend)

    @router.get("/memory")
    async def memory() -> dict[str, Any]:
        """Memory in bytes: of this process (`ram.used`) and the machine, and of the accelerator."""
        machine = psutil.virtual_memory()
        ram = {"free": machine.available, "used": psutil.Process().memory_info().rss, "total": machine.total}
        device = backend.jobs.describe().device_memory
        if device is None:
            return {"ram": ram, "cuda": {"error": "unavailable"}}
        system = {"free": device.free, "used": device.used, "total": device.total}
        return {"ram": ram, "cuda": {"system": system}}

    @router.post("/unload-checkpoint")
    async def unload_checkpoint() -> dict[str, Any]:
        """Give the memory of all loaded checkpoints back, when the jobs before are done."""
        await finished_job(backend, UnloadCheckpoint(), "Unloading the checkpoint")
        return {}

    @router.post("/reload-checkpoint")
    async def reload_checkpoint() -> dict[str, Any]:
        """Load the chosen checkpoint if it is not loaded."""
        await finished_job(backend, LoadCheckpoint(), "Loading the checkpoint")
        return {}

    return router


def _flags(backend: Backend) -> dict[str, Any]:
    paths, given = backend.paths, backend.flags
    # A1111's clients know one folder of each kind.
    flags = asdict(given) | {
        "data_dir": paths.data,
        "ckpt_dir": next(iter(given.ckpt_dir), None),
        "vae_dir": next(iter(given.vae_dir), None),
        "lora_dir": paths.lora[0],
        "embeddings_dir": paths.embeddings[0],
        "hypernetwork_dir": paths.hypernetworks[0],
        "ui_settings_file": paths.settings_file,
        "styles_file": (paths.styles_file,),
    }
    for name in ("gradio_auth", "api_auth"):
        flags[name] = HIDDEN if flags[name] else None
    return {name: _plain(value) for name, value in flags.items()}


def _plain(value: object) -> object:
    match value:
        case Path():
            return str(value)
        case tuple():
            return [_plain(item) for item in cast("tuple[object, ...]", value)]
        case _:
            return value
