"""A backend whose worker paints, and clients of it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.frontends.backend import Backend
from modules.frontends.http_api.server import create_app
from modules.jobs.service import JobService
from modules.jobs.workers.local import LocalWorker
from modules.library.model_library import open_library
from modules.storage.history import open_history
from modules.storage.settings_store import SettingsStore
from tests.frontends.http_api.fakes import PaintingRunner

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def runner() -> PaintingRunner:
    return PaintingRunner()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with three files that look like checkpoints."""
    models = tmp_path / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    for name in ("broken", "other", "tiny"):
        (models / f"{name}.safetensors").write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def flags(data: Path) -> Flags:
    return Flags(data_dir=data)


@pytest.fixture
def backend(flags: Flags, runner: PaintingRunner) -> Iterator[Backend]:
    paths = resolve_paths(flags)
    settings = SettingsStore(paths)
    jobs = JobService(LocalWorker(lambda: runner), settings.snapshot)
    library = open_library(paths)
    yield Backend(jobs=jobs, settings=settings, library=library, history=open_history(paths), paths=paths, flags=flags)
    runner.gate.release(10_000)
    jobs.close()


@pytest.fixture
def client(backend: Backend) -> Iterator[TestClient]:
    with TestClient(create_app(backend), "http://127.0.0.1:7860", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def until() -> Until:
    """Wait until something is so; fail after ten seconds."""

    def wait(is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.005)

    return wait
