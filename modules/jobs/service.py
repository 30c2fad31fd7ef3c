"""The queue: takes requests from everywhere, hands them to the one worker in the order they came, and tells whoever
asks how they are getting on.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from modules.core.capabilities import Capabilities
from modules.core.errors import EaselError, InvalidRequest, UnknownName
from modules.core.events import Cancelled, Failed, Finished, ImageReady, JobEvent, Queued, TerminalEvent
from modules.core.job import Job
from modules.core.parameters import GenerationRequest
from modules.core.results import GenerationResult
from modules.core.settings import Settings, with_changes
from modules.jobs.archive import Archive
from modules.jobs.errors import JobIdInUse, ServerStopping
from modules.jobs.journal import Journal, KeptJob, NoJournal
from modules.jobs.origin import Origin
from modules.jobs.prepare import checked_job_id, new_job_id, with_drawn_seeds
from modules.jobs.record import Record
from modules.jobs.request_pictures import lacks_pictures
from modules.jobs.rest import rest_of
from modules.jobs.state import JobState
from modules.jobs.waiting import Step, WaitingLine
from modules.jobs.worker import Worker

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
MAX_BEGUN = 2
"""How often a job is begun that ends together with the server."""

CRASHED = (
    "The server ended twice while it made this, so it was not begun a third time. Finished pictures are kept; try "
    "again with a smaller size or fewer pictures at a time."
)


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
        journal: keeps the jobs of pages for the next start of the server.
    """

    def __init__(
        self, worker: Worker, settings_snapshot: Callable[[], Settings], journal: Journal | None = None
    ) -> None:
        self._worker = worker
        self._settings_snapshot = settings_snapshot
        self._journal = journal or NoJournal()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._records: dict[str, Record] = {}
        self._waiting = WaitingLine()
        self._running: Record | None = None
        self._archive = Archive()
        self._listeners: list[queue.SimpleQueue[JobEvent | None]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="easel-jobs", daemon=True)
        self._thread.start()

    def submit(
        self,
        request: GenerationRequest,
        *,
        job_id: str | None = None,
        overrides: dict[str, Any] | None = None,
        origin: Origin = Origin.OTHER,
    ) -> JobHandle:
        """Queue a request.

        Args:
            request: seeds of −1 are drawn here.
            job_id: chosen by the client, as A1111's `force_task_id`; one that a finished job had may be used again.
            overrides: settings that differ for this job only.
            origin: who asks. Jobs of a page are kept when the server ends, and made when it is started again.

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
        return self._queue(job, origin)

    def retry(self, job_id: str) -> JobHandle:
        """Queue a job that has ended once more, with its seeds and settings, under a new id.

        Raises:
            UnknownName: there is no such job, or it ended so long ago that it was forgotten.
            InvalidRequest: it has not ended, or the pictures it brought along were let go of.
            QueueFull: too many jobs wait, or their pictures take too much memory.
            ServerStopping: the server is shutting down.
        """
        state = self.state(job_id)
        request = state.job.request
        if not state.ended:
            raise InvalidRequest("This job has not ended, so it cannot be made once more.")
        if lacks_pictures(request):
            raise InvalidRequest("The pictures of this job are no longer in memory. Submit them once more.")
        now = datetime.now(tz=UTC).astimezone()
        return self._queue(replace(state.job, id=new_job_id(request), created=now), state.origin)

    def move(self, job_id: str, step: Step) -> None:
        """Serve a waiting job sooner or later.

        Raises:
            UnknownName: there is no such job.
            InvalidRequest: it does not wait any more.
        """
        with self._lock:
            self._waiting.move(self._record(job_id), step)
            self._tell_places()
            self._journal.ordered([record.key for record in self._waiting if record.key is not None])

    def restore(self) -> int:
        """Queue what an earlier server left, before all that waits; return how many jobs that is.

        A job that was cut off goes on with its first unfinished batch. One that was begun `MAX_BEGUN` times is not
        begun again, and fails with a sentence that says so.
        """
        left = self._journal.left()
        with self._lock:
            left = [kept for kept in left if kept.job.id not in self._records and not self._closed]
            queued = [record for kept in left if not (record := self._restored(kept)).state.ended]
            self._waiting.add_before_all(queued)
            self._tell_places()
            self._work.notify()
        if queued:
            logger.info("%d jobs of the last session are made now.", len(queued))
        return len(queued)

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

    def ended(self) -> tuple[JobState, ...]:
        """Return the jobs that ended last, the newest first."""
        with self._lock:
            return tuple(record.state for record in self._archive.newest_first())

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

        Jobs that are kept go on at the next start. May be called again.
        """
        with self._lock:
            self._closed = True
            while self._waiting:
                record = self._waiting.take()
                record.put_off = True
                self._end(record, Cancelled(job_id=record.id))
            running = self._running
            if running:
                # one that a person has stopped does not go on
                running.put_off = not running.state.interrupted
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
        self._journal.close()

    def _queue(self, job: Job, origin: Origin) -> JobHandle:
        """Put a job behind the others."""
        # Written down without the lock, so that a slow disk holds up nobody else.
        key = self._journal.keep(job) if origin is Origin.PAGE else None
        record = Record(job, self._lock, origin=origin, key=key)
        try:
            with self._lock:
                self._make_room(record)
                self._records[job.id] = record
                self._waiting.add(record)
                self._publish(record, Queued(job_id=job.id, ahead=self._ahead(len(self._waiting) - 1)))
                self._work.notify()
        except EaselError:
            if key is not None:
                self._journal.ended(key)
            raise
        return JobHandle(job_id=job.id, job=job)

    def _restored(self, kept: KeptJob) -> Record:
        """Make a record of a job that an earlier server left; it has ended if nothing is to be done for it."""
        rest = rest_of(kept.job, kept.saved)
        record = Record(kept.job, self._lock, origin=Origin.PAGE, rest=rest, key=kept.key)
        self._records[record.id] = record
        for image in rest.done:
            self._publish(record, ImageReady(job_id=record.id, image=image))
        if rest.job is None:
            self._end(record, rest.complete(Finished(job_id=record.id, result=GenerationResult())))
        elif kept.begun >= MAX_BEGUN:
            logger.warning("Job %s: %s", record.id, CRASHED)
            self._end(record, Failed(job_id=record.id, error="ServerCrash", message=CRASHED))
        return record

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
            self._running = self._waiting.take()
            return self._running

    def _run(self, record: Record) -> None:
        if record.key is not None:
            self._journal.begun(record.key)
        events = self._worker.run(record.rest.job or record.state.job)
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
                    self._end(record, record.rest.complete(event))
                else:
                    self._publish(record, event)
                    if isinstance(event, ImageReady) and record.key is not None:
                        self._journal.saved(record.key, event.image)

    def _end(self, record: Record, event: TerminalEvent) -> None:
        """Note the job's last event, archive the job and tell those behind it, unless that was done before."""
        if record.state.ended:
            return
        goes_on = record.put_off and isinstance(event, Cancelled)
        if record.key is not None and not goes_on:
            self._journal.ended(record.key)
        if record is self._running:
            self._running = None
            if record.key is not None and goes_on:
                self._journal.put_off(record.key)
        self._publish(record, event)
        for forgotten in self._archive.add(record):
            del self._records[forgotten.id]
        self._tell_places()

    def _tell_places(self) -> None:
        """Tell the waiting jobs how many are before them, where that has changed."""
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
        self._waiting.check_room(record.picture_bytes())
        known = self._records.get(record.id)
        if known is None:
            return
        if not known.state.ended:
            raise JobIdInUse(f"Job “{record.id}” has not ended yet. Choose another id, or wait for it.")
        self._archive.remove(known)

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
