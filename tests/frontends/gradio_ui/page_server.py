"""The page with everything below it, served from a thread of the test process, painting instead of computing."""

import socket
import threading
import time
from pathlib import Path
from typing import Literal

import httpx
import uvicorn
from fastapi import FastAPI

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.mount import mount_page
from modules.frontends.http_api.server import create_app
from modules.jobs.journal import FileJournal
from modules.jobs.recorder import record_history
from modules.jobs.service import JobService
from modules.library.model_library import open_library
from modules.storage.history import open_history
from modules.storage.settings_store import SettingsStore
from tests.frontends.fake_worker import Gate, fake_worker

START_SECONDS = 30

Theme = Literal["light", "dark"]


def make_backend(
    data: Path,
    *,
    step_seconds: float = 0.02,
    gate: Gate | None = None,
    theme: Theme | None = None,
    lasting: bool = False,
) -> Backend:
    """Wire a backend over the data folder `data` whose worker paints; if it is `lasting`, it saves what it paints, has
    a history, and goes on with the queue of the one before.
    """
    flags = Flags(data_dir=data, theme=theme)
    paths = resolve_paths(flags)
    settings = SettingsStore(paths)
    worker = fake_worker(step_seconds=step_seconds, gate=gate, folder=data / "outputs" if lasting else None)
    jobs = JobService(worker, settings.snapshot, FileJournal(data / "queue.sqlite3") if lasting else None)
    history = open_history(paths)
    if lasting:
        record_history(jobs, history)
        jobs.restore()
    return Backend(
        jobs=jobs,
        settings=settings,
        library=open_library(paths),
        history=history,
        paths=paths,
        flags=flags,
    )


def make_app(backend: Backend) -> FastAPI:
    """Put the API and the page together, as the program does."""
    return mount_page(create_app(backend), backend)


class PageServer:
    """A server that can be stopped and started again on the same port.

    Args:
        data: the data folder.
        step_seconds: how long one sampling step takes.
        theme: as `--theme` gives it.
        lasting: it has a history, and its queue survives.

    Attributes:
        gate: shut, it holds jobs back half-way.
    """

    def __init__(
        self, data: Path, *, step_seconds: float = 0.02, theme: Theme | None = None, lasting: bool = False
    ) -> None:
        self._data = data
        self._theme: Theme | None = theme
        self._step_seconds = step_seconds
        self._lasting = lasting
        self._port = free_port()
        self.gate = Gate()
        self.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Serve, with a new queue; it is empty unless the server is lasting."""
        self.backend = make_backend(
            self._data, step_seconds=self._step_seconds, gate=self.gate, theme=self._theme, lasting=self._lasting
        )
        config = uvicorn.Config(make_app(self.backend), port=self._port, log_level="error", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > end:
                raise TimeoutError("The page's server did not start.")
            time.sleep(0.05)
        httpx.get(self.url).raise_for_status()

    def stop(self) -> None:
        """Leave the port."""
        self._server.should_exit = True
        self._thread.join(START_SECONDS)
        self.backend.jobs.close()

    def finish_jobs(self) -> None:
        """Cancel all that runs and waits."""
        self.gate.open()
        jobs = self.backend.jobs
        for state in jobs.pending():
            jobs.cancel(state.job.id)
        jobs.interrupt()
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Wait until no job runs."""
        while self.backend.jobs.current():
            time.sleep(0.02)


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_checkpoint(data: Path, name: str) -> Path:
    """Write a file that looks like a checkpoint to the library; the painting worker never reads it."""
    path = data / "models" / "Stable-diffusion" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode())
    return path
