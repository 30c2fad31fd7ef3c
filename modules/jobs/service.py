"""The queue: takes requests from everywhere, hands them to the one worker in the order they came, and tells whoever
asks how they are getting on.
"""

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modules.core.capabilities import Capabilities
from modules.core.errors import UnknownName
from modules.core.events import Cancelled, Failed, JobEvent, Queued, TerminalEvent
from modules.core.job import Job
from modules.core.parameters import GenerationRequest
from modules.core.settings import Settings, with_changes
from modules.jobs.archive import Archive
from modules.jobs.errors import JobIdInUse, QueueFull, ServerStopping
from modules.jobs.prepare import checked_job_id, new_job_id, with_drawn_seeds
from modules.jobs.record import Record
from modules.jobs.state import JobState
from modules.jobs.worker import Worker

logger = logging.getLogger(__name__)

MAX_WAITING = 1000
MAX_WAITING_PICTURE_BYTES = 2**30
"""Of the pictures that waiting jobs brought along; one job alone may bring more."""

CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandle:
    """What the submitter gets: the id to ask for, and the job as it was frozen (seeds drawn, settings applied)."""

    job_id: str
    job: Job


class JobService:
    """First come, first served. Every method may be called from any thread; none waits for a job but `subscribe`.

    Args:
        worker: runs the jobs, one at a time.
        settings_snapshot: returns the settings of this moment; they are frozen into each job.
    """

    def __init__(self, worker: Worker, settings_snapshot: Callable[[], Settings]) -> None:
        self._worker = worker
        self._settings_snapshot = settings_snapshot
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._records: dict[str, Record] = {}
        self._waiting: deque[Record] = deque()
        self._running: Record | None = None
        self._archive = Archive()
        self._listeners: list[queue.SimpleQueue[JobEvent | None]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="easel-jobs", daemon=True)
        self._thread.start()

    def submit(
        self, request: GenerationRequest, *, job_id: str | None = None, overrides: dict[str, Any] | None = None
    ) -> JobHandle:
        """Queue a request.

        Args:
            request: seeds of −1 are drawn here.
            job_id: chosen by the client, as A1111's `force_task_id`; one that a finished job had may be used again.
            overrides: settings that differ for this job only.

        Raises:
            InvalidRequest: an override or the id does not fit.
            JobIdInUse: a job of that id has not ended yet.
            QueueFull: too many jobs wait, or their pictures take too much memory.
            ServerStopping: the server is shutting down.
        """
        job = Job(
            id=new_job_id(request) if job_id is None else checked_job_id(job_id),
            request=with_drawn_seeds(request),
            settings=with_changes(self._settings_snapshot(), overrides or {}),
            created=datetime.now(tz=UTC).astimezone(),
        )
        with self._lock:
            record = Record(job, self._lock)
            self._make_room(record)
            self._records[job.id] = record
            self._waiting.append(record)
            self._publish(record, Queued(job_id=job.id, ahead=self._ahead(len(self._waiting) - 1)))
            self._work.notify()
        return JobHandle(job_id=job.id, job=job)

    def state(self, job_id: str) -> JobState:
        """Return how the job stands.

        Raises:
            UnknownName: there is no such job, or it ended so long ago that it was forgotten.
        """
        with self._lock:
            return self._record(job_id).state_at(time.monotonic())

    def current(self) -> JobState | None:
        """Return how the running job stands, None when nothing runs."""
        with self._lock:
            return self._running.state_at(time.monotonic()) if self._running else None

    def pending(self) -> tuple[JobState, ...]:
        """Return the waiting jobs, the next one first."""
        with self._lock:
            return tuple(record.state for record in self._waiting)

    def interrupt(self) -> None:
        """Stop the running job within one step; it ends as `Cancelled` with the pictures finished so far."""
        with self._lock:
            running = self._running
            if running:
                running.request_interrupt()
        if running:
            self._worker.interrupt(running.id)

    def skip(self) -> None:
        """Let the running job leave its current batch and go on with the next."""
        with self._lock:
            running = self._running
            if running:
                running.request_skip()
        if running:
            self._worker.skip(running.id)

    def cancel(self, job_id: str) -> None:
        """Take a waiting job from the queue, or stop a running one; nothing happens to one that has ended.

        Raises:
            UnknownName: there is no such job.
        """
        with self._lock:
            record = self._record(job_id)
            if record in self._waiting:
                self._waiting.remove(record)
                record.request_interrupt()
                self._end(record, Cancelled(job_id=job_id))
                return
            if record is not self._running:
                return
            record.request_interrupt()
        self._worker.interrupt(job_id)

    def subscribe(self, job_id: str) -> Iterator[JobEvent]:
        """Yield what was said about the job so far, then what happens, to its end; blocks between events.

        Of each kind of event that only tells how things stand (progress, previews) a late or slow reader gets the
        newest one; pictures and the end are never left out.

        Raises:
            UnknownName: there is no such job.
        """
        with self._lock:
            record = self._record(job_id)
        return self._follow(record)

    def subscribe_all(self) -> Iterator[JobEvent]:
        """Yield all that happens to all jobs from now on, until the service is closed; blocks between events.

        Nothing is left out, so a reader must keep up.
        """
        listener: queue.SimpleQueue[JobEvent | None] = queue.SimpleQueue()
        with self._lock:
            if self._closed:
                listener.put(None)
            self._listeners.append(listener)
        return self._listen(listener)

    async def wait(self, job_id: str) -> JobState:
        """Return the job's last state as soon as it has ended; neither the event loop nor a thread is held up.

        Raises:
            UnknownName: there is no such job.
        """
        with self._lock:
            record = self._record(job_id)
            future = record.wait_in(asyncio.get_running_loop())
        try:
            return await future
        finally:
            with self._lock:
                record.stop_waiting(future)

    def describe(self) -> Capabilities:
        """Say what the worker offers and in what state it is."""
        return self._worker.describe()

    def close(self) -> None:
        """Cancel what waits, interrupt what runs and close the worker; takes at most about `CLOSE_SECONDS`.

        May be called again.
        """
        with self._lock:
            self._closed = True
            while self._waiting:
                record = self._waiting.popleft()
                self._end(record, Cancelled(job_id=record.id))
            running = self._running
            if running:
                running.request_interrupt()
            self._work.notify_all()
        if running:
            self._worker.interrupt(running.id)
        self._thread.join(CLOSE_SECONDS)
        with self._lock:
            if self._running:
                # stuck in a call that cannot be interrupted: those who wait for it must not wait for ever
                self._end(self._running, Cancelled(job_id=self._running.id))
            for listener in self._listeners:
                listener.put(None)
        if not self._thread.is_alive():
            self._worker.close()

    def _serve(self) -> None:
        """Run what waits, one job after the other, in the queue's own thread."""
        while (record := self._next()) is not None:
            try:
                self._run(record)
            except Exception as error:  # a worker may die in any way, and the next job must run
                logger.exception("The worker broke off job %s.", record.id)
                last = Failed(
                    job_id=record.id, error=type(error).__name__, message="The worker broke off, see the log."
                )
            else:
                last = Failed(job_id=record.id, error="WorkerError", message="The worker stopped without an answer.")
            with self._lock:
                self._end(record, last)

    def _next(self) -> Record | None:
        """Wait for a job and make it the running one; None when the service is closed."""
        with self._lock:
            while not self._waiting and not self._closed:
                self._work.wait()
            if self._closed:
                return None
            self._running = self._waiting.popleft()
            return self._running

    def _run(self, record: Record) -> None:
        events = self._worker.run(record.state.job)
        with self._lock:
            interrupted, skipping = record.state.interrupted, record.state.skipping
        # asked for while the worker did not know the job yet
        if interrupted:
            self._worker.interrupt(record.id)
        elif skipping:
            self._worker.skip(record.id)
        for event in events:
            with self._lock:
                if isinstance(event, TerminalEvent):
                    self._end(record, event)
                else:
                    self._publish(record, event)

    def _end(self, record: Record, event: TerminalEvent) -> None:
        """Note the job's last event, archive the job and tell those behind it, unless that was done before."""
        if record.state.ended:
            return
        if record is self._running:
            self._running = None
        self._publish(record, event)
        for forgotten in self._archive.add(record):
            del self._records[forgotten.id]
        for index, waiting in enumerate(self._waiting):
            if waiting.state.ahead != self._ahead(index):
                self._publish(waiting, Queued(job_id=waiting.id, ahead=self._ahead(index)))

    def _publish(self, record: Record, event: JobEvent) -> None:
        """Tell everybody; nothing follows the end of a job."""
        if record.state.ended:
            return
        record.add(event, time.monotonic())
        for listener in self._listeners:
            listener.put(event)

    def _ahead(self, index: int) -> int:
        return index + (1 if self._running else 0)

    def _make_room(self, record: Record) -> None:
        """Check that a job can be queued; forget an ended one of its name."""
        if self._closed:
            raise ServerStopping("The server is shutting down and takes no more jobs.")
        if len(self._waiting) >= MAX_WAITING:
            raise QueueFull(f"{MAX_WAITING} jobs wait already. Try again when some of them are done.")
        self._check_picture_bytes(record.picture_bytes())
        known = self._records.get(record.id)
        if known is None:
            return
        if not known.state.ended:
            raise JobIdInUse(f"Job “{record.id}” has not ended yet. Choose another id, or wait for it.")
        self._archive.remove(known)

    def _check_picture_bytes(self, brought: int) -> None:
        """Check that the pictures of the waiting jobs leave room for those that one more brings along."""
        held = sum(waiting.picture_bytes() for waiting in self._waiting)
        if brought and self._waiting and held + brought > MAX_WAITING_PICTURE_BYTES:
            raise QueueFull(
                f"The {len(self._waiting)} jobs that wait hold {held // 2**20} MiB of pictures, and "
                f"{MAX_WAITING_PICTURE_BYTES // 2**20} MiB is the limit. Try again when some of them are done."
            )

    def _record(self, job_id: str) -> Record:
        record = self._records.get(job_id)
        if record is None:
            raise UnknownName(f"There is no job “{job_id}”; it may have ended long ago.")
        return record

    def _follow(self, record: Record) -> Iterator[JobEvent]:
        number = 0
        while True:
            with self._lock:
                while not (news := record.log.after(number)):
                    record.news.wait()
            for number, event in news:  # noqa: B007 # the last number is where to go on
                yield event
                if isinstance(event, TerminalEvent):
                    return

    def _listen(self, listener: queue.SimpleQueue[JobEvent | None]) -> Iterator[JobEvent]:
        try:
            while (event := listener.get()) is not None:
                yield event
        finally:
            with self._lock:
                self._listeners.remove(listener)
