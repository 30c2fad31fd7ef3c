"""The thread that runs the jobs, and the border where exceptions become words."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from modules.core.cancellation import CancelToken
from modules.core.capabilities import Capabilities, MemoryUse
from modules.core.errors import Interrupted, NoModelError, Skipped
from modules.core.events import Cancelled, Failed, Finished, ImageReady, JobEvent, Progress, Started
from modules.core.job import Job
from modules.core.parameters import LoadCheckpoint, Txt2Img
from modules.core.settings import Settings
from modules.jobs.workers.local import LocalWorker
from tests.jobs.conftest import Until
from tests.jobs.fakes import Emit, FakeRunner, picture


def job(name: str = "a", *, steps: int = 1, batch_count: int = 1) -> Job:
    request = Txt2Img(seed=1, steps=steps, batch_count=batch_count)
    return Job(id=name, request=request, settings=Settings(), created=datetime.now(tz=UTC))


@pytest.fixture
def free() -> Iterator[tuple[LocalWorker, FakeRunner]]:
    """A worker that takes every step at once."""
    runner = FakeRunner()
    worker = LocalWorker(lambda: runner)
    yield worker, runner
    worker.close()


def last(worker: LocalWorker, job: Job) -> JobEvent:
    return list(worker.run(job))[-1]


def test_events_come_out_in_order_between_started_and_finished(free: tuple[LocalWorker, FakeRunner]) -> None:
    worker, runner = free
    events = list(worker.run(job(steps=2, batch_count=2)))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    steps = [(event.batch, event.step) for event in events if isinstance(event, Progress)]
    assert steps == [(0, 1), (0, 2), (1, 1), (1, 2)]
    list(worker.run(job("b")))
    assert runner.threads.isdisjoint({threading.get_ident()})
    assert len(runner.threads) == 1


def test_a_runner_that_says_nothing_at_the_end_has_finished(free: tuple[LocalWorker, FakeRunner]) -> None:
    load = Job(id="load", request=LoadCheckpoint(), settings=Settings(), created=datetime.now(tz=UTC))
    assert [type(event) for event in free[0].run(load)] == [Started, Finished]


@pytest.mark.parametrize(
    ("error", "name", "words", "status"),
    [
        (NoModelError("There is no checkpoint."), "NoModelError", "There is no checkpoint.", 409),
        (MemoryError(), "OutOfMemoryError", "Not enough memory", 507),
        (ValueError("shapes differ\nin many lines"), "ValueError", "ValueError: shapes differ", 500),
        (SystemExit(3), "SystemExit", "see the console", 500),
    ],
)
def test_an_exception_becomes_a_sentence_and_the_next_job_runs(
    free: tuple[LocalWorker, FakeRunner], error: BaseException, name: str, words: str, status: int
) -> None:
    worker, runner = free
    runner.failures["bad"] = error
    failed = last(worker, job("bad"))
    assert isinstance(failed, Failed)
    assert (failed.error, failed.status) == (name, status)
    assert words in failed.message
    assert "\n" not in failed.message
    assert isinstance(last(worker, job("good")), Finished)


def test_only_an_unexpected_error_leaves_a_traceback(
    free: tuple[LocalWorker, FakeRunner], caplog: pytest.LogCaptureFixture
) -> None:
    worker, runner = free
    runner.failures |= {"known": NoModelError("There is no checkpoint."), "unknown": ValueError("shapes differ")}
    last(worker, job("known"))
    assert not caplog.records
    last(worker, job("unknown"))
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize("reason", [Interrupted(), Skipped()])
def test_leaving_the_work_is_no_failure_and_keeps_the_pictures(reason: Exception) -> None:
    class Leaving(FakeRunner):
        def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
            assert not token.interrupted
            emit(ImageReady(job_id=job.id, image=picture(5)))
            raise reason

    worker = LocalWorker(Leaving)
    cancelled = last(worker, job())
    assert isinstance(cancelled, Cancelled)
    assert cancelled.result.images == (picture(5),)
    worker.close()


def test_a_runner_that_cannot_be_made_fails_the_job_and_is_tried_again() -> None:
    attempts: list[int] = []

    def make() -> FakeRunner:
        attempts.append(1)
        if len(attempts) == 1:
            raise ImportError("No module named 'torch'")
        return FakeRunner()

    worker = LocalWorker(make)
    failed = last(worker, job("a"))
    assert isinstance(failed, Failed)
    assert "No module named 'torch'" in failed.message
    assert isinstance(last(worker, job("b")), Finished)
    assert isinstance(last(worker, job("c")), Finished)
    assert len(attempts) == 2
    worker.close()


def test_interrupt_reaches_a_job_from_the_moment_run_returns(worker: LocalWorker, runner: FakeRunner) -> None:
    events = worker.run(job(steps=5))
    worker.interrupt("a")
    worker.interrupt("nobody")
    worker.skip("nobody")
    assert runner.gate
    runner.gate.release(5)
    assert isinstance(list(events)[-1], Cancelled)


def test_a_reader_that_leaves_cancels_the_job(worker: LocalWorker, runner: FakeRunner, until: Until) -> None:
    events = worker.run(job(steps=100))
    assert isinstance(next(events), Started)
    until(lambda: runner.ran == ["a"])
    events.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # it is a generator
    assert runner.gate
    runner.gate.release(2)
    # the thread is free for the next job although 98 steps were left
    assert isinstance(list(_released(worker, runner))[-1], Finished)


def _released(worker: LocalWorker, runner: FakeRunner) -> Iterator[JobEvent]:
    events = worker.run(job("b"))
    assert runner.gate
    runner.gate.release(1)
    return events


def test_nothing_follows_the_last_event(free: tuple[LocalWorker, FakeRunner]) -> None:
    class Talkative(FakeRunner):
        def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
            super().__call__(job, emit, token)
            emit(ImageReady(job_id=job.id, image=picture(5)))
            raise ValueError("too late")

    worker = LocalWorker(Talkative)
    events = list(worker.run(job()))
    assert isinstance(events[-1], Finished)
    assert isinstance(last(free[0], job()), Finished)
    worker.close()


def test_the_description_follows_the_runner(free: tuple[LocalWorker, FakeRunner]) -> None:
    worker, _ = free
    assert worker.describe() == Capabilities()
    last(worker, job("a"))
    last(worker, job("b"))
    # a description is taken with the model and the picture, so that of the last event is there at the latest
    assert worker.describe().device_memory == MemoryUse(free=0, used=2, total=100)


def test_closing_ends_the_thread_and_refuses_further_jobs(worker: LocalWorker, runner: FakeRunner) -> None:
    events = worker.run(job(steps=100))
    assert isinstance(next(events), Started)
    assert runner.gate
    runner.gate.release(1)
    worker.close()
    assert isinstance(list(events)[-1], Cancelled)
    assert [type(event) for event in worker.run(job("late"))] == [Cancelled]
    assert not any(thread.name == "easel-gpu" and thread.is_alive() for thread in threading.enumerate())
