"""A job's state is its events, folded."""

from datetime import UTC, datetime

from modules.core.events import (
    Cancelled,
    Failed,
    Finished,
    ImageReady,
    JobEvent,
    ModelLoading,
    Preview,
    Queued,
    Started,
)
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.results import GenerationResult
from modules.core.settings import Settings
from modules.jobs.eta import Eta
from modules.jobs.state import JobState, JobStatus, advance
from tests.jobs.fakes import picture, progress

JOB = Job(id="a", request=Txt2Img(), settings=Settings(), created=datetime.now(tz=UTC))


def after(*events: JobEvent) -> JobState:
    state = JobState(job=JOB)
    for event in events:
        state = advance(state, event)
    return state


def test_a_running_job_knows_its_step_its_pictures_and_its_newest_preview() -> None:
    state = after(
        Queued(job_id="a", ahead=2),
        Started(job_id="a"),
        ModelLoading(job_id="a", name="tiny", fraction=0.5),
        progress("a", 1, batches=2),
        Preview(job_id="a", data=b"1", media_type="image/png"),
        ImageReady(job_id="a", image=picture(1)),
        progress("a", 3, batch=1, batches=2),
        Preview(job_id="a", data=b"2", media_type="image/png"),
    )
    assert (state.status, state.ended, state.ahead) == (JobStatus.RUNNING, False, 0)
    assert (state.stage, state.loading, state.fraction) == ("Sampling", None, 0.875)
    assert (state.step, state.steps, state.batch, state.batches) == (3, 4, 1, 2)
    assert state.images == (picture(1),)
    assert state.preview
    assert (state.preview.id, state.preview.data) == (2, b"2")


def test_loading_a_checkpoint_is_a_stage_of_its_own() -> None:
    state = after(Started(job_id="a"), ModelLoading(job_id="a", name="tiny", fraction=0.5))
    assert (state.stage, state.loading, state.fraction) == ("Loading tiny", 0.5, 0.0)


def test_the_end_takes_the_pictures_of_the_result_and_drops_the_preview() -> None:
    preview = Preview(job_id="a", data=b"1", media_type="image/png")
    result = GenerationResult(images=(picture(9), picture(1)))
    finished = after(Started(job_id="a"), preview, Finished(job_id="a", result=result))
    assert (finished.status, finished.fraction, finished.images) == (JobStatus.FINISHED, 1.0, result.images)
    cancelled = after(Started(job_id="a"), preview, Cancelled(job_id="a", result=result))
    assert (cancelled.status, cancelled.fraction, cancelled.result) == (JobStatus.CANCELLED, 0.0, result)
    assert finished.preview is None
    assert cancelled.ended
    assert cancelled.stage == ""


def test_a_failed_job_keeps_the_pictures_it_had_finished() -> None:
    error = Failed(job_id="a", error="OutputError", message="The disk is full.", status=507)
    state = after(Started(job_id="a"), ImageReady(job_id="a", image=picture(1)), error)
    assert (state.status, state.error, state.images) == (JobStatus.FAILED, error, (picture(1),))


def test_the_estimate_is_made_from_share_and_time_and_counts_down() -> None:
    eta = Eta()
    eta.restart(100.0)
    assert eta.seconds_left(101.0) is None
    eta.observe(0.25, 110.0)
    assert eta.seconds_left(110.0) == 30.0
    assert eta.seconds_left(115.0) == 25.0
    assert eta.seconds_left(999.0) == 0.0
    eta.restart(120.0)
    assert eta.seconds_left(121.0) is None
