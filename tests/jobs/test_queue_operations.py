"""What a person does with the queue: moving, making once more, looking at what has ended."""

import threading

import pytest

from modules.core.errors import InvalidRequest, UnknownName
from modules.core.events import Queued
from modules.core.parameters import Img2Img, Picture, Txt2Img
from modules.jobs import archive
from modules.jobs.origin import Origin
from modules.jobs.service import JobService
from modules.jobs.state import JobStatus
from modules.jobs.waiting import Step
from tests.jobs.conftest import Until
from tests.jobs.fakes import FakeRunner


def release(runner: FakeRunner, steps: int) -> None:
    assert runner.gate
    runner.gate.release(steps)


def finish(jobs: JobService, job_id: str) -> None:
    for _ in jobs.subscribe(job_id):
        pass


@pytest.fixture
def waiting(jobs: JobService, until: Until) -> list[str]:
    """Four jobs that wait for the one that runs."""
    running = jobs.submit(Txt2Img(steps=1), job_id="running")
    until(lambda: jobs.current() is not None)
    assert running.job_id == "running"
    return [jobs.submit(Txt2Img(steps=1), job_id=name).job_id for name in "abcd"]


@pytest.mark.parametrize(
    ("job_id", "step", "order"),
    [
        ("c", "up", "acbd"),
        ("a", "up", "abcd"),
        ("b", "down", "acbd"),
        ("d", "down", "abcd"),
        ("d", "first", "dabc"),
        ("a", "last", "bcda"),
    ],
)
def test_a_waiting_job_is_moved(
    jobs: JobService, waiting: list[str], runner: FakeRunner, job_id: str, step: Step, order: str
) -> None:
    events = jobs.subscribe_all()
    jobs.move(job_id, step)
    assert "".join(state.job.id for state in jobs.pending()) == order
    assert [state.ahead for state in jobs.pending()] == [1, 2, 3, 4]
    release(runner, 5)
    finish(jobs, order[-1])
    assert runner.ran == ["running", *order]
    jobs.close()
    told = {event.job_id: event.ahead for event in reversed(list(events)) if isinstance(event, Queued)}
    changed = {name for place, name in enumerate(order) if waiting[place] != name}
    assert changed <= set(told)


def test_only_what_waits_is_moved(jobs: JobService, waiting: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="does not wait"):
        jobs.move("running", "up")
    jobs.cancel(waiting[0])
    with pytest.raises(InvalidRequest, match="does not wait"):
        jobs.move(waiting[0], "first")
    with pytest.raises(UnknownName):
        jobs.move("nobody", "first")


def test_many_threads_may_move_at_once(jobs: JobService, waiting: list[str], runner: FakeRunner) -> None:
    def shuffle(name: str) -> None:
        for _ in range(50):
            jobs.move(name, "first")
            jobs.move(name, "down")

    threads = [threading.Thread(target=shuffle, args=(name,)) for name in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(state.job.id for state in jobs.pending()) == sorted(waiting)
    release(runner, 5)


def test_an_ended_job_is_made_once_more(jobs: JobService, runner: FakeRunner, until: Until) -> None:
    request = Txt2Img(steps=2, batch_count=2)
    first = jobs.submit(request, overrides={"n_rows": 3}, origin=Origin.PAGE)
    until(lambda: jobs.current() is not None)
    with pytest.raises(InvalidRequest, match="not ended"):
        jobs.retry(first.job_id)
    jobs.cancel(first.job_id)
    release(runner, 1)
    finish(jobs, first.job_id)
    second = jobs.retry(first.job_id)
    assert second.job_id != first.job_id
    assert (second.job.request, second.job.settings) == (first.job.request, first.job.settings)
    release(runner, 4)
    finish(jobs, second.job_id)
    assert jobs.state(second.job_id).status is JobStatus.FINISHED
    assert jobs.state(second.job_id).origin is Origin.PAGE
    assert [state.job.id for state in jobs.ended()] == [second.job_id, first.job_id]
    with pytest.raises(UnknownName):
        jobs.retry("nobody")


def test_a_job_whose_pictures_are_gone_cannot_be_made_once_more(
    jobs: JobService, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "KEPT_PICTURE_BYTES", 0)
    old = jobs.submit(Img2Img(steps=1, images=(Picture(data=b"x"),))).job_id
    finish(jobs, old)
    finish(jobs, jobs.submit(Img2Img(steps=1, images=(Picture(data=b"y"),))).job_id)
    with pytest.raises(InvalidRequest, match="no longer in memory"):
        jobs.retry(old)
    assert runner.ran
