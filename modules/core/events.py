"""What a worker says about a job: Queued, Started, then any of ModelLoading, Progress, Preview and ImageReady, and last
exactly one of Finished, Failed, Cancelled.
"""

from dataclasses import dataclass, field

from modules.core.results import GeneratedImage, GenerationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The job waits; `ahead` jobs are served before it."""

    job_id: str
    ahead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The worker has begun."""

    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoading:
    """A checkpoint is being read; `fraction` is 0..1."""

    job_id: str
    name: str
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A step was taken.

    Attributes:
        job_id: the job.
        stage: words for people ("Sampling", "Decoding").
        step: steps done of the current batch.
        steps: steps of the current batch.
        batch: index of the current batch, from 0.
        batches: how many batches the job has.
        fraction: of the whole job, 0..1.
    """

    job_id: str
    stage: str
    step: int
    steps: int
    batch: int
    batches: int
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A rough look at the unfinished pictures: an encoded image file of type `media_type`."""

    job_id: str
    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReady:
    """A picture is finished (and saved, if it is to be saved)."""

    job_id: str
    image: GeneratedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The job is complete."""

    job_id: str
    result: GenerationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The job ended in an error.

    Attributes:
        job_id: the job.
        error: name of the error's class.
        message: a sentence for people.
        status: the HTTP status that fits.
    """

    job_id: str
    error: str
    message: str
    status: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The job was interrupted, or taken from the queue before it began; `result` holds what was finished by then."""

    job_id: str
    result: GenerationResult = field(default_factory=GenerationResult)


TerminalEvent = Finished | Failed | Cancelled
JobEvent = Queued | Started | ModelLoading | Progress | Preview | ImageReady | TerminalEvent
