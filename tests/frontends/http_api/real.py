"""Clients of the real pipeline."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.frontends.backend import Backend
from modules.frontends.http_api.server import create_app
from modules.jobs.service import JobService
from modules.jobs.workers.local import LocalWorker
from modules.library.model_library import open_library
from modules.pipeline.runner import PipelineRunner
from modules.storage.history import open_history
from modules.storage.settings_store import SettingsStore


@contextmanager
def real_client(data: Path) -> Generator[TestClient]:
    """Serve a data folder on the CPU in float32 in this context."""
    flags = Flags(data_dir=data, no_half=True, use_cpu=("all",))
    paths = resolve_paths(flags)
    settings = SettingsStore(paths)
    library = open_library(paths)

    def make_runner() -> PipelineRunner:
        return PipelineRunner(flags=flags, paths=paths, library=library)

    jobs = JobService(LocalWorker(make_runner), settings.snapshot)
    backend = Backend(
        jobs=jobs, settings=settings, library=library, history=open_history(paths), paths=paths, flags=flags
    )
    with TestClient(create_app(backend), "http://127.0.0.1:7860", raise_server_exceptions=False) as client:
        yield client
    jobs.close()
    library.close()
