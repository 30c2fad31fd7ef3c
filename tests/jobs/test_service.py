"""The queue: first come first served, several clients, stopping, and nothing lost on the way."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from modules.core.capabilities import Capabilities
from modules.core.errors import InvalidRequest, ModelFileError, UnknownName
from modules.core.events import Cancelled, Failed, Finished, ImageReady, JobEvent, Progress, Queued, Started
from modules.core.job import Job
from modules.core.parameters import HiresFix, Img2Img, Inpaint, LoadCheckpoint, Picture, Txt2Img
from modules.core.settings import Settings
from modules.jobs import archive, service, waiting
from modules.jobs.errors import JobIdInUse, QueueFull, ServerStopping
from modules.jobs.service import JobService
from modules.jobs.state import JobState, JobStatus
from modules.jobs.workers.local import LocalWorker
from tests.jobs.conftest import Until
from tests.jobs.fakes import FakeRunner


def release(runner: FakeRunner, steps: int) -> None:
    assert runner.gate
    runner.gate.release(steps)


def ended(jobs: JobService, job_id: str) -> JobState:
    for _ in jobs.subscribe(job_id):
        pass
    return jobs.state(job_id)


def running(jobs: JobService) -> str | None:
    current = jobs.current()
    return current.job.id if current else None


def test_jobs_run_in_the_order_they_came_and_know_how_many_are_ahead(jobs: JobService, runner: FakeRunner) -> None:
    ids = [jobs.submit(Txt2Img(steps=1)).job_id for _ in range(3)]
    assert [state.job.id for state in jobs.pending()][-2:] == ids[1:]
    assert jobs.state(ids[2]).ahead == 2
    release(runner, 1)
    ended(jobs, ids[0])
    release(runner, 1)
    ended(jobs, ids[1])
    assert jobs.state(ids[2]).ahead == 0
    release(runner, 1)
    assert ended(jobs, ids[2]).status is JobStatus.FINISHED
    assert runner.ran == ids
    assert jobs.current() is None
    assert jobs.pending() == ()


def test_many_threads_may_submit_at_once(jobs: JobService, runner: FakeRunner) -> None:
    release(runner, 40)
    ids: list[str] = []

    def client() -> None:
        for _ in range(5):
            job_id = jobs.submit(Txt2Img(steps=1)).job_id
            ended(jobs, job_id)
            ids.append(job_id)

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(ids)) == 40
    assert sorted(runner.ran) == sorted(ids)
    assert len(runner.threads) == 1


def test_seeds_are_drawn_when_the_job_is_submitted(jobs: JobService) -> None:
    seeds = [jobs.submit(Txt2Img(steps=1)).job.request for _ in range(4)]
    drawn = {seed for request in seeds if isinstance(request, Txt2Img) for seed in (request.seed, request.subseed)}
    assert len(drawn) == 8
    assert all(0 <= seed < 2**32 for seed in drawn)
    given = jobs.submit(Txt2Img(steps=1, seed=0, subseed=2**40)).job.request
    assert isinstance(given, Txt2Img)
    assert (given.seed, given.subseed) == (0, 2**40)


def test_settings_are_frozen_with_the_job_and_overrides_stay_in_it(worker: LocalWorker) -> None:
    current = Settings(CLIP_stop_at_last_layers=2)
    jobs = JobService(worker, lambda: current)
    changed = jobs.submit(LoadCheckpoint(), overrides={"n_rows": 5}).job.settings
    assert (changed.CLIP_stop_at_last_layers, changed.n_rows) == (2, 5)
    current = Settings(CLIP_stop_at_last_layers=3)
    plain = jobs.submit(LoadCheckpoint()).job.settings
    assert (plain.CLIP_stop_at_last_layers, plain.n_rows, changed.CLIP_stop_at_last_layers) == (3, -1, 2)
    with pytest.raises(InvalidRequest, match="no_such"):
        jobs.submit(LoadCheckpoint(), overrides={"no_such": 1})
    jobs.close()


def test_an_id_may_be_chosen_but_not_twice_at_once(jobs: JobService, runner: FakeRunner) -> None:
    assert jobs.submit(Txt2Img(steps=1), job_id="mine").job_id == "mine"
    with pytest.raises(JobIdInUse, match="mine"):
        jobs.submit(Txt2Img(steps=1), job_id="mine")
    release(runner, 1)
    first = ended(jobs, "mine")
    release(runner, 1)
    jobs.submit(Txt2Img(steps=1), job_id="mine")
    second = ended(jobs, "mine")
    assert second.job is not first.job
    assert second.status is JobStatus.FINISHED
    for bad in ("", "  ", "x" * 201):
        with pytest.raises(InvalidRequest, match="job id"):
            jobs.submit(Txt2Img(), job_id=bad)


def test_interrupt_stops_the_running_job_and_keeps_its_pictures(
    jobs: JobService, runner: FakeRunner, until: Until
) -> None:
    first = jobs.submit(Txt2Img(steps=2, batch_count=5, seed=7)).job_id
    second = jobs.submit(Txt2Img(steps=1)).job_id
    release(runner, 3)
    until(lambda: jobs.state(first).batch == 1)
    jobs.interrupt()
    assert jobs.state(first).interrupted
    release(runner, 1)
    state = ended(jobs, first)
    assert state.status is JobStatus.CANCELLED
    assert state.result
    assert [image.seed for image in state.result.images] == [7]
    release(runner, 1)
    assert ended(jobs, second).status is JobStatus.FINISHED


def test_skip_leaves_the_batch_and_goes_on(jobs: JobService, runner: FakeRunner, until: Until) -> None:
    job_id = jobs.submit(Txt2Img(steps=2, batch_count=3, seed=7)).job_id
    release(runner, 3)
    until(lambda: jobs.state(job_id).batch == 1)
    jobs.skip()
    assert jobs.state(job_id).skipping
    release(runner, 2)
    until(lambda: jobs.state(job_id).batch == 2)
    assert not jobs.state(job_id).skipping
    release(runner, 3)
    state = ended(jobs, job_id)
    assert state.status is JobStatus.FINISHED
    assert [image.seed for image in state.images] == [7, 9]


def test_a_waiting_job_can_be_cancelled_and_the_others_move_up(
    jobs: JobService, runner: FakeRunner, until: Until
) -> None:
    first, second, third = (jobs.submit(Txt2Img(steps=1)).job_id for _ in range(3))
    until(lambda: running(jobs) == first)
    jobs.cancel(second)
    assert jobs.state(second).status is JobStatus.CANCELLED
    assert jobs.state(third).ahead == 1
    release(runner, 2)
    assert ended(jobs, third).status is JobStatus.FINISHED
    assert runner.ran == [first, third]
    jobs.cancel(first)
    assert jobs.state(first).status is JobStatus.FINISHED
    with pytest.raises(UnknownName, match="nobody"):
        jobs.cancel("nobody")


def test_cancel_reaches_the_running_job(jobs: JobService, runner: FakeRunner, until: Until) -> None:
    job_id = jobs.submit(Txt2Img(steps=5)).job_id
    until(lambda: running(jobs) == job_id)
    jobs.cancel(job_id)
    release(runner, 1)
    assert ended(jobs, job_id).status is JobStatus.CANCELLED


def test_nothing_happens_when_nothing_runs(jobs: JobService) -> None:
    jobs.interrupt()
    jobs.skip()
    assert jobs.current() is None


def test_a_failed_job_says_why_and_the_next_one_runs(jobs: JobService, runner: FakeRunner) -> None:
    runner.failures["bad"] = ModelFileError("The file is cut off.")
    jobs.submit(Txt2Img(steps=1), job_id="bad")
    good = jobs.submit(Txt2Img(steps=1)).job_id
    release(runner, 1)
    assert ended(jobs, "bad").error == Failed(
        job_id="bad", error="ModelFileError", message="The file is cut off.", status=422
    )
    assert ended(jobs, good).status is JobStatus.FINISHED


def test_a_reader_gets_the_history_then_what_happens(jobs: JobService, runner: FakeRunner, until: Until) -> None:
    job_id = jobs.submit(Txt2Img(steps=3)).job_id
    release(runner, 2)
    until(lambda: jobs.state(job_id).step == 2)
    events: list[JobEvent] = []
    late = threading.Thread(target=lambda: events.extend(jobs.subscribe(job_id)))
    late.start()
    until(lambda: any(isinstance(event, Progress) for event in events))
    assert [type(event) for event in events[:2]] == [Queued, Started]
    assert [event.step for event in events if isinstance(event, Progress)] == [2]
    release(runner, 1)
    late.join(10)
    assert [event.step for event in events if isinstance(event, Progress)] == [2, 3]
    assert [type(event) for event in events[-2:]] == [ImageReady, Finished]
    again = list(jobs.subscribe(job_id))
    assert again[-1] == events[-1]
    with pytest.raises(UnknownName, match="nobody"):
        jobs.subscribe("nobody")


def test_the_estimate_counts_from_the_first_step(jobs: JobService, runner: FakeRunner, until: Until) -> None:
    job_id = jobs.submit(Txt2Img(steps=4)).job_id
    until(lambda: running(jobs) == job_id)
    assert jobs.state(job_id).eta_seconds is None
    release(runner, 2)
    until(lambda: jobs.state(job_id).step == 2)
    left = jobs.state(job_id).eta_seconds
    assert left is not None
    assert 0 <= left < 10
    release(runner, 2)
    assert ended(jobs, job_id).eta_seconds is None


def test_hundred_waiters_need_no_thread_and_do_not_hold_up_the_loop(
    jobs: JobService, runner: FakeRunner, until: Until
) -> None:
    job_id = jobs.submit(Txt2Img(steps=1)).job_id
    until(lambda: runner.ran == [job_id])

    async def scenario() -> None:
        before = threading.active_count()
        waiters = [asyncio.create_task(jobs.wait(job_id)) for _ in range(100)]
        await asyncio.sleep(0.05)
        assert threading.active_count() <= before + 10  # not one each
        assert not any(waiter.done() for waiter in waiters)
        waiters.pop().cancel()
        release(runner, 1)
        states = await asyncio.wait_for(asyncio.gather(*waiters), 10)
        assert {state.status for state in states} == {JobStatus.FINISHED}
        assert (await jobs.wait(job_id)).status is JobStatus.FINISHED
        with pytest.raises(UnknownName):
            await jobs.wait("nobody")

    asyncio.run(scenario())


def test_a_waiter_whose_loop_is_gone_harms_nobody(jobs: JobService, runner: FakeRunner) -> None:
    job_id = jobs.submit(Txt2Img(steps=1)).job_id
    loop = asyncio.new_event_loop()
    task = loop.create_task(jobs.wait(job_id))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    release(runner, 1)
    assert ended(jobs, job_id).status is JobStatus.FINISHED
    assert not task.done()


def test_listeners_hear_of_every_job_until_the_service_is_closed(jobs: JobService, runner: FakeRunner) -> None:
    heard: list[JobEvent] = []
    listener = threading.Thread(target=heard.extend, args=(jobs.subscribe_all(),))
    listener.start()
    release(runner, 4)
    ids = [jobs.submit(Txt2Img(steps=2)).job_id for _ in range(2)]
    for job_id in ids:
        ended(jobs, job_id)
    jobs.close()
    listener.join(10)
    assert not listener.is_alive()
    assert [event.job_id for event in heard if isinstance(event, Finished)] == ids
    assert [event.step for event in heard if isinstance(event, Progress)] == [1, 2, 1, 2]
    assert list(jobs.subscribe_all()) == []


def test_closing_ends_every_job_and_takes_no_more(jobs: JobService, runner: FakeRunner, until: Until) -> None:
    first = jobs.submit(Txt2Img(steps=5)).job_id
    second = jobs.submit(Txt2Img(steps=5)).job_id
    until(lambda: running(jobs) == first)
    threading.Timer(0.1, release, (runner, 1)).start()
    jobs.close()
    assert jobs.state(first).status is JobStatus.CANCELLED
    assert jobs.state(second).status is JobStatus.CANCELLED
    with pytest.raises(ServerStopping):
        jobs.submit(Txt2Img())
    jobs.close()


def test_closing_does_not_wait_for_a_worker_that_is_stuck(
    jobs: JobService, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CLOSE_SECONDS", 0.1)
    job_id = jobs.submit(Txt2Img(steps=1)).job_id
    until(lambda: running(jobs) == job_id)
    jobs.close()
    assert jobs.state(job_id).status is JobStatus.CANCELLED
    assert jobs.current() is None


def test_the_queue_has_a_bound(jobs: JobService, monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 2)
    jobs.submit(Txt2Img())
    until(lambda: not jobs.pending())
    jobs.submit(Txt2Img())
    jobs.submit(Txt2Img())
    with pytest.raises(QueueFull):
        jobs.submit(Txt2Img())


def test_pictures_that_wait_have_a_bound(jobs: JobService, monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING_PICTURE_BYTES", 100)

    def edit(size: int, mask: int = 0) -> Img2Img:
        inpaint = Inpaint(mask=Picture(data=bytes(mask))) if mask else None
        return Img2Img(images=(Picture(data=bytes(size)),), inpaint=inpaint)

    jobs.submit(Txt2Img())
    until(lambda: not jobs.pending())
    alone = jobs.submit(edit(1000)).job_id  # however large, while nothing waits
    with pytest.raises(QueueFull, match="1 jobs that wait hold"):
        jobs.submit(edit(1))
    jobs.submit(Txt2Img())
    jobs.cancel(alone)
    jobs.submit(edit(40, mask=20))
    with pytest.raises(QueueFull):
        jobs.submit(edit(20, mask=21))
    jobs.submit(edit(20, mask=20))
    with pytest.raises(QueueFull):
        jobs.submit(Txt2Img(hires=HiresFix(), first_pass=Picture(data=b"1")))
    assert len(jobs.pending()) == 3


def test_old_jobs_are_forgotten(jobs: JobService, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "KEPT_JOBS", 2)
    release(runner, 3)
    ids = [jobs.submit(Txt2Img(steps=1)).job_id for _ in range(3)]
    for job_id in ids[1:]:
        ended(jobs, job_id)
    assert jobs.state(ids[1]).ended
    with pytest.raises(UnknownName, match="long ago"):
        jobs.state(ids[0])


def test_forgetting_a_job_leaves_its_successor_of_the_same_name(
    jobs: JobService, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "KEPT_JOBS", 2)
    release(runner, 3)
    for name in ("mine", "mine", "other"):
        jobs.submit(Txt2Img(steps=1), job_id=name)
        ended(jobs, name)
    assert jobs.state("mine").ended


class BrokenWorker:
    """A worker that breaks its promises in a way of the job's choosing."""

    def run(self, job: Job) -> Iterator[JobEvent]:
        if job.id == "dies":
            raise RuntimeError("no device")
        yield Started(job_id=job.id)
        if job.id == "breaks off":
            raise ConnectionError("gone")
        if job.id != "says nothing":
            yield Cancelled(job_id=job.id)
            yield Started(job_id=job.id)

    def interrupt(self, job_id: str) -> None:
        pass

    def skip(self, job_id: str) -> None:
        pass

    def describe(self) -> Capabilities:
        return Capabilities(samplers=())

    def close(self) -> None:
        pass


def test_the_queue_survives_a_worker_that_breaks_its_promises(caplog: pytest.LogCaptureFixture) -> None:
    jobs = JobService(BrokenWorker(), Settings)
    for job_id in ("dies", "breaks off", "says nothing", "says too much"):
        jobs.submit(LoadCheckpoint(), job_id=job_id)
    assert ended(jobs, "says too much").status is JobStatus.CANCELLED
    errors = [jobs.state(job_id).error for job_id in ("dies", "breaks off", "says nothing")]
    assert [error.error for error in errors if error] == ["RuntimeError", "ConnectionError", "WorkerError"]
    assert "no device" in caplog.text
    assert jobs.describe().samplers == ()
    jobs.close()


class SlowToStart:
    """A worker during whose start the job is stopped or skipped, when it does not know the job yet."""

    def __init__(self) -> None:
        self.on_start: list[Callable[[], None]] = []
        self.asked: list[str] = []
        self._known = False

    def run(self, job: Job) -> Iterator[JobEvent]:
        self.on_start.pop()()
        self._known = True
        return iter([Started(job_id=job.id), Cancelled(job_id=job.id)])

    def interrupt(self, job_id: str) -> None:
        if self._known:
            self.asked.append(f"interrupt {job_id}")

    def skip(self, job_id: str) -> None:
        if self._known:
            self.asked.append(f"skip {job_id}")

    def describe(self) -> Capabilities:
        return Capabilities()

    def close(self) -> None:
        self.asked.append("close")


@pytest.mark.parametrize("wish", ["interrupt", "skip"])
def test_a_wish_that_comes_too_early_for_the_worker_is_not_lost(wish: str) -> None:
    worker = SlowToStart()
    jobs = JobService(worker, Settings)
    worker.on_start.append(jobs.interrupt if wish == "interrupt" else jobs.skip)
    jobs.submit(Txt2Img(), job_id="a")
    ended(jobs, "a")
    assert worker.asked == [f"{wish} a"]
    jobs.close()
    assert worker.asked[1:] == ["close"]


def test_an_id_that_cannot_be_shown_is_refused(jobs: JobService) -> None:
    for job_id in ("\ud800", "a\nb", ""):
        with pytest.raises(InvalidRequest):
            jobs.submit(Txt2Img(), job_id=job_id)
