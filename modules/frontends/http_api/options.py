"""`/sdapi/v1/options`: the settings."""

import contextlib
import json
from typing import Any

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import JsonValue

from modules.core.errors import NoModelError, UnknownName
from modules.core.parameters import LoadCheckpoint
from modules.frontends.backend import Backend
from modules.frontends.http_api.jobs import finished_job
from modules.frontends.http_api.overrides import CHECKPOINT, check_overrides


def options_router(backend: Backend) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/sdapi/v1")

    @router.get("/options")
    def get_options() -> Response:
        """All settings, those of A1111 that only lie in `config.json` included."""
        # plain ASCII, since the file may hold what UTF-8 cannot
        return Response(json.dumps(_options(backend)), media_type="application/json")

    @router.post("/options")
    async def set_options(changes: dict[str, JsonValue]) -> None:
        """Change settings; with a new checkpoint, answers when it is loaded. Nothing changes unless all does."""
        news = await run_in_threadpool(_news, backend, changes)
        if news.get(CHECKPOINT):
            await _load(backend, news[CHECKPOINT])
        if news:
            await run_in_threadpool(backend.settings.update, news, trusted=False)

    return router


def _options(backend: Backend) -> dict[str, Any]:
    """Return the settings, and in them the full title of the checkpoint that would be loaded."""
    options = backend.settings.values()
    chosen = options[CHECKPOINT]
    # Without a checkpoint, or when the file was deleted, what was chosen is still worth telling.
    with contextlib.suppress(UnknownName, NoModelError):
        file = backend.checkpoints.find(chosen) if chosen else backend.checkpoints.default(backend.settings.snapshot())
        options[CHECKPOINT] = file.title
    return options


def _news(backend: Backend, changes: dict[str, JsonValue]) -> dict[str, Any]:
    """Return, checked, the changes that change something (clients send back whole lists), the checkpoint by its title.

    Raises:
        InvalidRequest: a setting is unknown or its value does not fit.
        UnknownName: there is no such checkpoint.
    """
    stored = backend.settings.values()
    news = {name: value for name, value in changes.items() if name not in stored or stored[name] != value}
    check_overrides(backend, news)
    wanted = news.get(CHECKPOINT)
    if isinstance(wanted, str) and wanted:
        news[CHECKPOINT] = backend.checkpoints.find(wanted).title
        if stored[CHECKPOINT] and news[CHECKPOINT] == _options(backend)[CHECKPOINT]:
            del news[CHECKPOINT]
    return news


async def _load(backend: Backend, title: str) -> None:
    await finished_job(backend, LoadCheckpoint(), f"Loading {title}", {CHECKPOINT: title})
