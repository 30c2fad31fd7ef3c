"""The console shows one bar per job, and why one failed."""

import logging

import pytest

from modules.core.events import Cancelled, Failed, Finished, JobEvent, ModelLoading, Queued
from modules.core.parameters import Txt2Img
from modules.core.results import GenerationResult
from modules.jobs.console import ConsoleProgress, show_on_console
from modules.jobs.service import JobService
from tests.jobs.fakes import FakeRunner, picture, progress


def show(*events: JobEvent) -> None:
    ConsoleProgress().show(iter(events))


def test_the_bar_counts_the_steps_of_all_batches(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [progress("a", step, batch=batch, batches=2) for batch in range(2) for step in range(1, 5)]
    show(*steps, Finished(job_id="a", result=GenerationResult()))
    text = capsys.readouterr().err
    assert "Sampling: 100%" in text
    assert "8/8" in text


def test_each_job_has_its_own_bar(capsys: pytest.CaptureFixture[str]) -> None:
    for job_id in ("a", "b"):
        show(progress(job_id, 4), Queued(job_id="c", ahead=0), Finished(job_id=job_id, result=GenerationResult()))
    assert capsys.readouterr().err.count("4/4") == 2


def test_failures_interruptions_and_loading_are_said(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    show(
        ModelLoading(job_id="a", name="tiny", fraction=0.1),
        ModelLoading(job_id="a", name="tiny", fraction=0.9),
        progress("a", 1),
        Failed(job_id="a", error="OutputError", message="The disk is full."),
        Cancelled(job_id="b", result=GenerationResult(images=(picture(1),))),
    )
    assert caplog.messages == ["Loading tiny", "The disk is full.", "Interrupted; 1 pictures were finished."]
    assert "1/4" in capsys.readouterr().err


def test_it_reads_along_until_the_queue_is_closed(
    jobs: JobService, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = show_on_console(jobs)
    assert runner.gate
    runner.gate.release(3)
    for _ in jobs.subscribe(jobs.submit(Txt2Img(steps=3)).job_id):
        pass
    jobs.close()
    thread.join(10)
    assert not thread.is_alive()
    assert "3/3" in capsys.readouterr().err
