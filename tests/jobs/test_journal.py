"""The queue after a crash: what waited waits again, what was finished is not made twice, what crashes is given up."""

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules.core.cancellation import CancelToken
from modules.core.events import Finished, ImageReady
from modules.core.job import Job
from modules.core.parameters import Generation, Img2Img, Inpaint, Picture, Txt2Img
from modules.core.results import GeneratedImage, GenerationResult
from modules.core.settings import Settings
from modules.jobs.journal import FileJournal
from modules.jobs.origin import Origin
from modules.jobs.service import JobService
from modules.jobs.state import JobState, JobStatus
from modules.jobs.workers.local import LocalWorker
from tests.jobs.conftest import Until
from tests.jobs.fakes import Emit, FakeRunner, picture


class SavingRunner(FakeRunner):
    """Saves each picture as a file that is named by its seed; the gate is for pictures."""

    def __init__(self, folder: Path) -> None:
        super().__init__(gate=threading.Semaphore(0))
        self.folder = folder
        self.requests: list[Generation] = []

    def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
        self.ran.append(job.id)
        request = job.request
        assert isinstance(request, Generation)
        assert self.gate
        self.requests.append(request)
        images: list[GeneratedImage] = []
        for number in range(request.batch_count):
            while not self.gate.acquire(timeout=0.02):
                token.check()
            path = self.folder / f"{request.seed + number}.png"
            path.write_bytes(b"picture")
            images.append(replace(picture(request.seed + number, path=path), subseed=request.subseed + number))
            emit(ImageReady(job_id=job.id, image=images[-1]))
        emit(Finished(job_id=job.id, result=GenerationResult(images=tuple(images), seconds=1.0)))


class Session:
    """A server over the folder, from its start to its end; `crash` leaves the files as a crash would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = SavingRunner(folder)
        self.journal = FileJournal(folder / "queue.sqlite3")
        self.jobs = JobService(LocalWorker(lambda: self.runner), Settings, self.journal)
        self.jobs.restore()

    def submit(self, request: Txt2Img | Img2Img, **more: Any) -> str:
        return self.jobs.submit(request, origin=Origin.PAGE, **more).job_id

    def make(self, pictures: int) -> None:
        assert self.runner.gate
        self.runner.gate.release(pictures)

    def ended(self, job_id: str) -> JobState:
        for _ in self.jobs.subscribe(job_id):
            pass
        return self.jobs.state(job_id)

    def crash(self) -> None:
        """Write nothing more; the rest of the process goes on for a moment, as nobody can kill a thread."""
        self.journal.close()
        self.jobs.close()

    def close(self) -> None:
        self.jobs.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def three(**changes: Any) -> Txt2Img:
    return Txt2Img(seed=100, subseed=5, batch_count=3, **changes)


def test_after_a_crash_the_finished_pictures_are_there_and_the_rest_is_made(folder: Path, until: Until) -> None:
    before = Session(folder)
    first = before.submit(three(prompt="one"))
    others = [before.submit(Txt2Img(prompt=name)) for name in "abc"]
    before.jobs.cancel(others[1])
    before.jobs.move(others[2], "first")
    before.make(2)
    until(lambda: len(before.jobs.state(first).images) == 2)
    before.crash()

    after = Session(folder)
    assert [state.job.id for state in after.jobs.pending()] in ([first, others[2], others[0]], [others[2], others[0]])
    assert [image.seed for image in after.jobs.state(first).images] == [100, 101]
    after.make(3)
    state = after.ended(first)
    assert state.status is JobStatus.FINISHED
    assert [image.seed for image in state.images] == [100, 101, 102]
    assert [image.path for image in state.images] == [folder / f"{seed}.png" for seed in (100, 101, 102)]
    assert isinstance(state.job.request, Txt2Img)
    assert (state.job.request.seed, state.job.request.batch_count) == (100, 3)  # the whole form
    assert [request.seed for request in after.runner.requests[:1]] == [102]
    after.ended(others[0])
    assert after.runner.ran == [first, others[2], others[0]]
    after.close()

    third = Session(folder)
    assert third.jobs.pending() == ()
    assert third.jobs.current() is None
    third.close()


def test_an_orderly_end_keeps_the_queue_and_counts_as_no_crash(folder: Path, until: Until) -> None:
    job_id, waiting = "", ""
    for number in range(4):
        session = Session(folder)
        if number == 0:
            job_id, waiting = session.submit(three()), session.submit(Txt2Img(seed=7))
        until(lambda now=session: now.jobs.current() is not None)
        assert [state.job.id for state in session.jobs.pending()] == [waiting]
        session.close()
        assert session.jobs.state(job_id).status is JobStatus.CANCELLED
    last = Session(folder)
    last.make(4)
    assert last.ended(waiting).status is JobStatus.FINISHED
    assert last.ended(job_id).status is JobStatus.FINISHED
    last.close()


def test_what_a_person_stopped_stays_stopped(folder: Path, until: Until) -> None:
    before = Session(folder)
    job_id = before.submit(three())
    until(lambda: before.jobs.current() is not None)
    before.jobs.interrupt()
    before.close()
    after = Session(folder)
    assert after.jobs.current() is None
    assert after.runner.ran == []
    assert job_id not in [state.job.id for state in after.jobs.ended()]
    after.close()


def test_a_job_that_crashes_the_server_twice_is_not_begun_a_third_time(folder: Path, until: Until) -> None:
    first = Session(folder)
    job_id = first.submit(three())
    until(lambda: first.runner.ran == [job_id])
    first.crash()
    second = Session(folder)
    until(lambda: second.runner.ran == [job_id])
    second.crash()
    third = Session(folder)
    state = third.jobs.state(job_id)
    assert state.status is JobStatus.FAILED
    assert state.error
    assert "ended twice" in state.error.message
    assert third.runner.ran == []
    again = third.jobs.retry(job_id).job_id
    third.make(3)
    assert third.ended(again).status is JobStatus.FINISHED
    third.close()
    fourth = Session(folder)
    assert fourth.jobs.ended() == ()
    fourth.close()


def test_pictures_that_a_job_brought_and_its_settings_come_back(folder: Path, until: Until) -> None:
    before = Session(folder)
    blocker = before.submit(three())
    until(lambda: before.jobs.current() is not None)
    bytes_ = bytes(range(256))
    request = Img2Img(images=(Picture(data=bytes_),), inpaint=Inpaint(mask=Picture(data=bytes_[::-1])), prompt="🎨")
    job_id = before.submit(request, overrides={"CLIP_stop_at_last_layers": 2})
    job = before.jobs.state(job_id).job
    before.crash()
    after = Session(folder)
    assert after.jobs.state(job_id).job == job
    assert after.jobs.state(blocker).origin is Origin.PAGE
    after.close()


def test_jobs_of_programs_are_not_kept(folder: Path, until: Until) -> None:
    before = Session(folder)
    before.jobs.submit(three())
    until(lambda: before.jobs.current() is not None)
    before.crash()
    assert not (folder / "queue.sqlite3").exists()


def test_an_id_may_be_used_again_at_once(folder: Path, until: Until) -> None:
    before = Session(folder)
    before.submit(Txt2Img(seed=1), job_id="same")
    before.make(1)
    before.ended("same")
    before.submit(Txt2Img(seed=2), job_id="same")
    until(lambda: len(before.runner.requests) == 2)
    before.crash()
    after = Session(folder)
    request = after.jobs.state("same").job.request
    assert isinstance(request, Txt2Img)
    assert request.seed == 2
    after.close()


def test_a_picture_that_was_deleted_meanwhile_is_made_again(folder: Path, until: Until) -> None:
    before = Session(folder)
    job_id = before.submit(three())
    before.make(2)
    until(lambda: len(before.jobs.state(job_id).images) == 2)
    before.crash()
    (folder / "101.png").unlink()
    after = Session(folder)
    after.make(2)
    assert [image.seed for image in after.ended(job_id).images] == [100, 101, 102]
    after.close()


def test_a_job_of_which_only_the_end_is_missing_is_finished(folder: Path, until: Until) -> None:
    before = Session(folder)
    job_id = before.submit(three())
    before.make(2)
    until(lambda: len(before.jobs.state(job_id).images) == 2)
    last = folder / "102.png"
    last.write_bytes(b"picture")
    before.journal.saved(1, replace(picture(102, path=last), subseed=7))
    before.crash()
    after = Session(folder)
    state = after.jobs.state(job_id)
    assert state.status is JobStatus.FINISHED
    assert [image.seed for image in state.images] == [100, 101, 102]
    assert after.runner.ran == []
    after.close()


def test_two_servers_over_one_folder_do_not_make_each_others_jobs(folder: Path, until: Until) -> None:
    one = Session(folder)
    job_id = one.submit(three())
    until(lambda: one.jobs.current() is not None)
    other = Session(folder)
    assert other.jobs.current() is None
    theirs = other.submit(Txt2Img(seed=9))
    other.make(1)
    assert other.ended(theirs).status is JobStatus.FINISHED
    other.close()
    one.make(3)
    assert one.ended(job_id).status is JobStatus.FINISHED
    one.close()


def test_a_row_that_cannot_be_read_is_left_out(folder: Path, until: Until, caplog: pytest.LogCaptureFixture) -> None:
    before = Session(folder)
    ids = [before.submit(three()) for _ in range(3)]
    until(lambda: before.jobs.current() is not None)
    before.crash()
    with sqlite3.connect(folder / "queue.sqlite3") as database:
        database.execute('UPDATE queue SET request = \'{"kind": "txt2video"}\' WHERE job_id = ?', (ids[0],))
        database.execute("UPDATE queue SET settings = '[' WHERE job_id = ?", (ids[1],))
    after = Session(folder)
    after.make(3)
    assert after.ended(ids[2]).status is JobStatus.FINISHED
    assert after.runner.ran == [ids[2]]
    assert caplog.text.count("cannot be read") == 2
    after.close()
    last = Session(folder)
    assert last.jobs.current() is None
    last.close()


def test_a_queue_that_cannot_be_written_stops_no_picture(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "queue.sqlite3").mkdir()
    session = Session(folder)
    job_id = session.submit(Txt2Img(seed=3))
    session.make(1)
    assert session.ended(job_id).status is JobStatus.FINISHED
    assert "queue.sqlite3" in caplog.text
    session.close()


def test_a_disk_that_fills_up_stops_no_picture(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = Session(folder)
    session.make(2)
    session.ended(session.submit(Txt2Img(seed=3)))
    with sqlite3.connect(folder / "queue.sqlite3") as database:
        database.execute("DROP TABLE queue")
    job_id = session.submit(Txt2Img(seed=4))
    assert session.ended(job_id).status is JobStatus.FINISHED
    assert "the queue is not kept" in caplog.text
    session.close()
