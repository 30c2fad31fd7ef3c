"""A job in the books of the queue: its state, its log and who waits for its end."""

import asyncio
import contextlib
import threading
from dataclasses import replace

from modules.core.events import Cancelled, Finished, ImageReady, JobEvent, ModelLoading, Progress, Started
from modules.core.job import Job
from modules.core.results import GeneratedImage, GenerationResult
from modules.jobs.eta import Eta
from modules.jobs.log import EventLog
from modules.jobs.origin import Origin
from modules.jobs.request_pictures import pictures_of, without_pictures
from modules.jobs.rest import Rest
from modules.jobs.state import JobState, advance


class Record:
    """One job's state, log and waiters. Every method is called with the queue's lock held.

    Attributes:
        state: as of the last event.
        log: what was said about the job.
        news: notified at every event; readers of the log wait on it.
        rest: what the worker is to do of it; all, unless it was cut off before.
        key: by which the journal knows it, None if it is not kept.
        put_off: it was stopped because the server ends, and goes on at the next start.
    """

    __slots__ = ("_eta", "_waiters", "key", "log", "news", "put_off", "rest", "state")

    def __init__(
        self,
        job: Job,
        lock: threading.Lock,
        *,
        origin: Origin = Origin.OTHER,
        rest: Rest | None = None,
        key: int | None = None,
    ) -> None:
        self.state = JobState(job=job, origin=origin)
        self.rest = rest or Rest(job=job)
        self.key = key
        self.put_off = False
        self.log = EventLog()
        self.news = threading.Condition(lock)
        self._eta = Eta()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[JobState]]] = []

    @property
    def id(self) -> str:
        """The job's id."""
        return self.state.job.id

    def add(self, event: JobEvent, at: float) -> None:
        """Take note of an event at clock time `at` and tell those who wait."""
        match event:
            case Started() | ModelLoading():
                self._eta.restart(at)
            case Progress():
                self._eta.observe(event.fraction, at)
            case _:
                pass
        self.state = advance(self.state, event)
        self.log.append(event)
        self.news.notify_all()
        if self.state.ended:
            self._wake_waiters()

    def request_interrupt(self) -> None:
        """Note that the job was asked to stop."""
        self.state = replace(self.state, interrupted=True)

    def request_skip(self) -> None:
        """Note that the job was asked to leave its current batch."""
        self.state = replace(self.state, skipping=True)

    def state_at(self, at: float) -> JobState:
        """Return the state as it is at clock time `at`."""
        if self.state.ended:
            return self.state
        return replace(self.state, eta_seconds=self._eta.seconds_left(at))

    def wait_in(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[JobState]:
        """Return a future of `loop` that gets the job's last state."""
        future: asyncio.Future[JobState] = loop.create_future()
        if self.state.ended:
            future.set_result(self.state)
        else:
            self._waiters.append((loop, future))
        return future

    def stop_waiting(self, future: asyncio.Future[JobState]) -> None:
        """Forget a future that nobody awaits any more."""
        self._waiters = [waiter for waiter in self._waiters if waiter[1] is not future]

    def picture_bytes(self) -> int:
        """Return how much memory the job's pictures take, and those that its request brought along."""
        made = sum(len(image.data) for image in self.state.images)
        return made + sum(len(picture.data) for picture in pictures_of(self.state.job.request))

    def forget_picture_bytes(self) -> None:
        """Free the pictures' bytes. Saved ones keep their `path`; ones that were never saved are forgotten.

        Those of the request become empty: it still says what was asked for, but cannot be run again.
        """
        job = self.state.job
        self.state = replace(
            self.state,
            job=replace(job, request=without_pictures(job.request)),
            images=_without_bytes(self.state.images),
            result=_result_without_bytes(self.state.result) if self.state.result else None,
        )
        self.log.rewrite(_event_without_bytes)

    def _wake_waiters(self) -> None:
        for loop, future in self._waiters:
            # a loop that was closed meanwhile has nobody left who waits
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, future, self.state)
        self._waiters.clear()


def _resolve(future: asyncio.Future[JobState], state: JobState) -> None:
    if not future.done():
        future.set_result(state)


def _without_bytes(images: tuple[GeneratedImage, ...]) -> tuple[GeneratedImage, ...]:
    return tuple(replace(image, data=b"") for image in images if image.path)


def _result_without_bytes(result: GenerationResult) -> GenerationResult:
    return replace(result, images=_without_bytes(result.images))


def _event_without_bytes(event: JobEvent) -> JobEvent | None:
    match event:
        case ImageReady():
            kept = _without_bytes((event.image,))
            return replace(event, image=kept[0]) if kept else None
        case Finished() | Cancelled():
            return replace(event, result=_result_without_bytes(event.result))
        case _:
            return event
