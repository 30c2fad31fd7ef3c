"""The worker in a thread of this process: one thread owns the device and everything of torch."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from modules.core.cancellation import CancelToken
from modules.core.capabilities import Capabilities
from modules.core.errors import EaselError, Interrupted, OutOfMemoryError, Skipped
from modules.core.events import Cancelled, Failed, Finished, ImageReady, JobEvent, ModelLoading, Started, TerminalEvent
from modules.core.job import Job
from modules.core.results import GeneratedImage, GenerationResult
from modules.jobs.worker import Runner

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0


@dataclass(slots=True, kw_only=True)
class _Run:
    """A job in the hands of the GPU thread."""

    job: Job
    token: CancelToken = field(default_factory=CancelToken)
    events: queue.SimpleQueue[JobEvent] = field(default_factory=queue.SimpleQueue[JobEvent])
    images: list[GeneratedImage] = field(default_factory=list[GeneratedImage])
    ended: bool = False

    def emit(self, event: JobEvent) -> None:
        """Pass an event on; nothing may follow the one that ends the job."""
        if self.ended:
            return
        if isinstance(event, ImageReady):
            self.images.append(event.image)
        self.ended = isinstance(event, TerminalEvent)
        self.events.put(event)


class LocalWorker:
    """Runs jobs in one thread that starts with the first job and lives until `close`.

    Args:
        make_runner: called in that thread, once, when the first job runs (importing torch takes seconds, and the page
            must be up meanwhile); called again with the next job if it failed.
    """

    def __init__(self, make_runner: Callable[[], Runner]) -> None:
        self._make_runner = make_runner
        self._inbox: queue.SimpleQueue[_Run | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._thread: threading.Thread | None = None
        self._closed = False
        self._capabilities = Capabilities()

    def run(self, job: Job) -> Iterator[JobEvent]:
        """See `Worker.run`."""
        run = _Run(job=job)
        with self._lock:
            if self._closed:
                run.emit(Cancelled(job_id=job.id))
                return _events(run)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="easel-gpu", daemon=True)
                self._thread.start()
            self._runs[job.id] = run
            self._inbox.put(run)
        return _events(run)

    def interrupt(self, job_id: str) -> None:
        """See `Worker.interrupt`."""
        with self._lock:
            run = self._runs.get(job_id)
        if run:
            run.token.interrupt()

    def skip(self, job_id: str) -> None:
        """See `Worker.skip`."""
        with self._lock:
            run = self._runs.get(job_id)
        if run:
            run.token.skip()

    def describe(self) -> Capabilities:
        """Return what the runner said of itself last: when it was made, after a model or picture, and after a job."""
        return self._capabilities

    def close(self) -> None:
        """See `Worker.close`. Interrupts what runs, and waits at most `CLOSE_SECONDS` for the thread to end."""
        with self._lock:
            self._closed = True
            runs = list(self._runs.values())
            thread = self._thread
        for run in runs:
            run.token.interrupt()
        self._inbox.put(None)
        if thread:
            thread.join(CLOSE_SECONDS)

    def _serve(self) -> None:
        """Run what comes, in the GPU thread."""
        runner: Runner | None = None
        while (run := self._inbox.get()) is not None:
            runner = self._run_one(runner, run)
            with self._lock:
                # the id may belong to the next job already
                if self._runs.get(run.job.id) is run:
                    del self._runs[run.job.id]

    def _run_one(self, runner: Runner | None, run: _Run) -> Runner | None:
        """Run one job to its last event; return the runner for the next one.

        This is the border where an exception becomes `Failed`; nothing further out has to expect one.
        """
        job_id = run.job.id
        run.emit(Started(job_id=job_id))
        try:
            runner = self._ready(runner, run.token)
            runner(run.job, self._emitter(runner, run), run.token)
            # a request that makes nothing has nothing to say at its end
            run.emit(Finished(job_id=job_id, result=GenerationResult(images=tuple(run.images))))
            self._capabilities = runner.describe()
        except (Interrupted, Skipped):
            run.emit(Cancelled(job_id=job_id, result=GenerationResult(images=tuple(run.images))))
        except (Exception, SystemExit) as error:  # noqa: BLE001 # the border: whatever fails, the next job must run
            run.emit(_failure(job_id, error))
        return runner

    def _ready(self, runner: Runner | None, token: CancelToken) -> Runner:
        token.check_interrupted()
        if runner is None:
            runner = self._make_runner()
            self._capabilities = runner.describe()
        return runner

    def _emitter(self, runner: Runner, run: _Run) -> Callable[[JobEvent], None]:
        def emit(event: JobEvent) -> None:
            if isinstance(event, ModelLoading | ImageReady):
                self._capabilities = runner.describe()
            run.emit(event)

        return emit


def _events(run: _Run) -> Iterator[JobEvent]:
    """Yield the run's events to the last one; when the reader leaves earlier, ask the job to stop."""
    with contextlib.ExitStack() as on_leaving:
        on_leaving.callback(run.token.interrupt)
        while True:
            event = run.events.get()
            if isinstance(event, TerminalEvent):
                on_leaving.pop_all()
                yield event
                return
            yield event


def _failure(job_id: str, error: BaseException) -> Failed:
    """Put an exception into words; one that we cannot explain goes to the log with its traceback."""
    if isinstance(error, MemoryError):
        error = OutOfMemoryError(
            "Not enough memory (RAM) for this request. Choose a smaller width, height or batch size, or close other "
            "programs."
        )
    if isinstance(error, EaselError):
        return Failed(job_id=job_id, error=type(error).__name__, message=str(error), status=error.status)
    logger.error("Job %s failed unexpectedly.", job_id, exc_info=error)
    cause = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return Failed(job_id=job_id, error=type(error).__name__, message=f"Unexpected error, see the console. {cause}")
