"""A small program that serves a painting backend as the real one does; tests start it as a process of its own.

Usage: python -m tests.frontends.http_api.program DATA_FOLDER [PORT]
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi.responses import StreamingResponse

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.frontends.backend import Backend
from modules.frontends.http_api.server import create_app, serve_app
from modules.jobs.service import JobService
from modules.jobs.workers.local import LocalWorker
from modules.library.model_library import open_library
from modules.storage.history import open_history
from modules.storage.settings_store import SettingsStore
from tests.frontends.http_api.fakes import PaintingRunner


def main(folder: str, port: str | None = None) -> int:
    """Serve until interrupted; `/events` is an event stream that never ends."""
    flags = Flags(data_dir=Path(folder), port=int(port) if port else None)
    paths = resolve_paths(flags)
    settings = SettingsStore(paths)
    backend = Backend(
        jobs=JobService(LocalWorker(PaintingRunner), settings.snapshot),
        settings=settings,
        library=open_library(paths),
        history=open_history(paths),
        paths=paths,
        flags=flags,
    )
    app = create_app(backend)

    @app.get("/events")
    def events() -> StreamingResponse:
        return StreamingResponse(_ticks(), media_type="text/event-stream")

    def ready(url: str) -> None:
        sys.stdout.write(f"ready {url}\n")
        sys.stdout.flush()

    status = serve_app(app, flags, on_ready=ready, before_stop=backend.jobs.close)
    sys.stdout.write(f"ended with {status}\n")
    return status


async def _ticks() -> AsyncIterator[str]:
    for number in range(10_000):
        yield f"data: {number}\n\n"
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
