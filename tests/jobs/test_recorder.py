"""What is made is written into the history, with all that is needed to make it again."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules.core.errors import ModelFileError
from modules.core.parameters import Img2Img, LoadCheckpoint, Picture, Txt2Img
from modules.jobs.recorder import record_history
from modules.jobs.service import JobService
from modules.storage.history import History
from modules.storage.history_entry import RunStatus
from tests.jobs.conftest import Until
from tests.jobs.fakes import FakeRunner


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    it = History(tmp_path / "history.sqlite3")
    yield it
    it.close()


def release(runner: FakeRunner, steps: int) -> None:
    assert runner.gate
    runner.gate.release(steps)


def test_every_generation_is_recorded_and_nothing_else(jobs: JobService, runner: FakeRunner, history: History) -> None:
    thread = record_history(jobs, history)
    runner.failures["bad"] = ModelFileError("It is no model.")
    release(runner, 100)
    jobs.submit(LoadCheckpoint())
    request = Txt2Img(prompt="A cat", negative_prompt="dogs", steps=2, batch_count=2, seed=41, subseed=1)
    overrides = {"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "tiny.safetensors"}
    handle = jobs.submit(request, overrides=overrides)
    jobs.submit(Txt2Img(), job_id="bad")
    last = jobs.submit(Img2Img(images=(Picture(data=b"\x00\xff" * 1000),), steps=1)).job_id
    for _ in jobs.subscribe(last):
        pass
    jobs.close()
    thread.join(10)
    newest, failed, first = history.runs.page("").runs
    assert (first.job_id, first.prompt, first.seed, first.status) == (handle.job_id, "A cat", 41, RunStatus.FINISHED)
    assert (first.checkpoint, first.created) == ("tiny", handle.job.created.timestamp())
    assert (failed.status, failed.message) == (RunStatus.FAILED, "It is no model.")
    assert newest.status is RunStatus.FINISHED  # what the runner made nothing of
    whole = history.runs.find(first.id)
    assert Txt2Img.model_validate_json(whole.request) == handle.job.request
    assert json.loads(whole.settings) == overrides
    assert [picture.seed for picture in whole.pictures] == [41, 42]
    assert [picture.infotext for picture in whole.pictures] == ["Seed: 41", "Seed: 42"]
    assert len(history.runs.find(newest.id).request) < 2000  # without the picture that it brought along
    day = f"{handle.job.created:%Y-%m-%d}"
    for search in ("cat DOGS", "42", "tiny", f"41 {day} dpm++"):
        assert first.id in [row.id for row in history.runs.page(search).runs], search


def test_a_run_is_there_while_it_runs(jobs: JobService, runner: FakeRunner, history: History, until: Until) -> None:
    record_history(jobs, history)
    job_id = jobs.submit(Txt2Img(steps=1, batch_count=3, seed=7)).job_id
    release(runner, 2)
    until(lambda: [len(pictures) for pictures in history.runs.page("").pictures] == [2])
    assert history.runs.page("").runs[0].status is RunStatus.RUNNING
    jobs.cancel(job_id)
    release(runner, 1)
    until(lambda: history.runs.page("").runs[0].status is RunStatus.CANCELLED)
    assert [picture.seed for picture in history.runs.page("").pictures[0]] == [7, 8]


def test_what_waited_in_vain_was_no_run(jobs: JobService, runner: FakeRunner, history: History, until: Until) -> None:
    thread = record_history(jobs, history)
    jobs.submit(Txt2Img(steps=1))
    until(lambda: jobs.current() is not None)
    jobs.cancel(jobs.submit(Txt2Img(prompt="in vain")).job_id)
    release(runner, 1)
    jobs.close()
    thread.join(10)
    assert history.runs.page("").total == 1


def test_the_history_goes_on_after_a_failure(
    jobs: JobService,
    runner: FakeRunner,
    history: History,
    tmp_path: Path,
    until: Until,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record_history(jobs, history)
    release(runner, 100)

    def make(prompt: str) -> None:
        for _ in jobs.subscribe(jobs.submit(Txt2Img(prompt=prompt, steps=1)).job_id):
            pass

    make("one")
    until(lambda: history.runs.page("one").total == 1)
    with sqlite3.connect(tmp_path / "history.sqlite3") as database:
        database.execute("ALTER TABLE runs RENAME TO hidden")
    make("two")
    until(lambda: "The history misses" in caplog.text)
    with sqlite3.connect(tmp_path / "history.sqlite3") as database:
        database.execute("ALTER TABLE hidden RENAME TO runs")
    make("three")
    until(lambda: history.runs.page("three").total == 1)
    assert history.runs.page("one").total == 1
