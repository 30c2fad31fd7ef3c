"""What is known about a job at one moment: its events, folded together."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from modules.core.events import (
    Cancelled,
    Failed,
    Finished,
    ImageReady,
    JobEvent,
    ModelLoading,
    Preview,
    Progress,
    Queued,
    Started,
    TerminalEvent,
)
from modules.core.job import Job
from modules.core.results import GeneratedImage, GenerationResult
from modules.jobs.origin import Origin


class JobStatus(StrEnum):
    """Where a job is on its way."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPicture:
    """The latest rough look at the unfinished pictures.

    Attributes:
        id: counts the job's previews from 1, so that a page fetches each of them once.
        data: an encoded image file.
        media_type: of `data`, such as "image/jpeg".
    """

    id: int
    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job at one moment.

    Attributes:
        job: the request, the settings it is run with, and when it was submitted.
        origin: who has submitted it.
        status: where it is on its way.
        ahead: jobs that are served before it, while it waits.
        stage: what the worker is doing, in words for people ("Sampling"); empty while it waits and after the end.
        loading: how much of a checkpoint has been read, 0..1; None when none is being read.
        fraction: of the whole job, 0..1.
        eta_seconds: estimate until the end; None when nothing can be said.
        step: steps done of the current batch.
        steps: steps of the current batch.
        batch: index of the current batch, from 0.
        batches: how many batches there are; 0 until the first step.
        preview: the latest one; None before the first and after the end.
        images: finished so far, in order; at the end those of the result (the grid first if there is one). The
            `data` of a saved picture may be empty in an old job: it is then to be read from `path`.
        result: when the job is finished or cancelled.
        error: when it failed.
        interrupted: it was asked to stop.
        skipping: the current batch was asked to stop.
    """

    job: Job
    origin: Origin = Origin.OTHER
    status: JobStatus = JobStatus.QUEUED
    ahead: int = 0
    stage: str = ""
    loading: float | None = None
    fraction: float = 0.0
    eta_seconds: float | None = None
    step: int = 0
    steps: int = 0
    batch: int = 0
    batches: int = 0
    preview: PreviewPicture | None = None
    images: tuple[GeneratedImage, ...] = ()
    result: GenerationResult | None = None
    error: Failed | None = None
    interrupted: bool = False
    skipping: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self.status in (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELLED)


def advance(state: JobState, event: JobEvent) -> JobState:
    """Return the state after `event`."""
    match event:
        case Queued():
            return replace(state, ahead=event.ahead)
        case Started():
            return replace(state, status=JobStatus.RUNNING, ahead=0, stage="Starting")
        case ModelLoading():
            return replace(state, stage=f"Loading {event.name}", loading=event.fraction)
        case Progress():
            return _progressed(state, event)
        case Preview():
            number = state.preview.id + 1 if state.preview else 1
            return replace(state, preview=PreviewPicture(id=number, data=event.data, media_type=event.media_type))
        case ImageReady():
            return replace(state, images=(*state.images, event.image))
        case Finished() | Failed() | Cancelled():
            return _ended(state, event)


def _progressed(state: JobState, event: Progress) -> JobState:
    return replace(
        state,
        stage=event.stage,
        loading=None,
        fraction=event.fraction,
        step=event.step,
        steps=event.steps,
        batch=event.batch,
        batches=event.batches,
        # the request to skip is used up when the next batch begins
        skipping=state.skipping and event.batch == state.batch,
    )


def _ended(state: JobState, event: TerminalEvent) -> JobState:
    ended = replace(state, ahead=0, stage="", loading=None, preview=None)
    match event:
        case Finished(result=result):
            return replace(ended, status=JobStatus.FINISHED, fraction=1.0, result=result, images=result.images)
        case Cancelled(result=result):
            return replace(ended, status=JobStatus.CANCELLED, result=result, images=result.images)
        case Failed():
            return replace(ended, status=JobStatus.FAILED, error=event)
