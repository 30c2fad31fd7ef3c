"""Routes of our own for the page's queue: what waits, runs and has ended, and how a person changes it."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from modules.core.parameters import Generation, GenerationRequest, LoadCheckpoint, UnloadCheckpoint
from modules.frontends.backend import Backend
from modules.frontends.http_api.json_safe import clean_text
from modules.jobs.origin import Origin
from modules.jobs.state import JobState, JobStatus

MAX_TITLE = 300
MAX_ENDED = 20


class QueueEntry(BaseModel):
    """One job."""

    id: str
    kind: str = Field(description="txt2img, img2img, load_checkpoint …")
    title: str = Field(description="the beginning of its prompt, or what it does")
    status: JobStatus
    origin: Origin = Field(description="page, or other for clients of the HTTP interface")
    created: datetime
    pictures: int = Field(description="how many it makes")
    done: int = Field(description="how many of them are finished")
    progress: float = Field(description="0..1")
    eta: float | None = Field(description="seconds until its end, if something can be said")
    stage: str = Field(description="what is being done, or why it failed")


class QueueAnswer(BaseModel):
    """All jobs that are known."""

    running: QueueEntry | None
    waiting: list[QueueEntry] = Field(description="the next one first")
    ended: list[QueueEntry] = Field(description="the last ones, newest first")


class JobBody(BaseModel):
    """Which job is meant."""

    id: str = Field(max_length=1000)


class MoveBody(JobBody):
    """Where a waiting job goes."""

    to: Literal["up", "down", "first", "last"]


def queue_router(backend: Backend) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/internal/queue")
    jobs = backend.jobs

    def answer() -> QueueAnswer:
        running, ended = jobs.current(), jobs.ended()
        shown = [state for state in ended if isinstance(state.job.request, Generation)][:MAX_ENDED]
        return QueueAnswer(
            running=_entry(running) if running else None,
            waiting=[_entry(state) for state in jobs.pending()],
            ended=[_entry(state) for state in shown],
        )

    @router.get("")
    async def queue() -> QueueAnswer:
        """What waits, runs and has ended."""
        return answer()

    @router.post("/move")
    async def move(body: MoveBody) -> QueueAnswer:
        """Serve a waiting job sooner or later."""
        jobs.move(body.id, body.to)
        return answer()

    @router.post("/cancel")
    async def cancel(body: JobBody) -> QueueAnswer:
        """Take a waiting job out, or stop the running one, whose finished pictures are kept."""
        jobs.cancel(body.id)
        return answer()

    @router.post("/retry")
    def retry(body: JobBody) -> QueueAnswer:
        """Queue a job that has ended once more; not `async`, since it is written to the disk."""
        jobs.retry(body.id)
        return answer()

    return router


def _entry(state: JobState) -> QueueEntry:
    request = state.job.request
    pictures = request.batch_count * request.batch_size if isinstance(request, Generation) else 0
    return QueueEntry(
        id=state.job.id,
        kind=request.kind,
        title=clean_text(_title(request), MAX_TITLE),
        status=state.status,
        origin=state.origin,
        created=state.job.created,
        pictures=pictures,
        done=sum(1 for image in state.images if not (image.is_grid or image.is_mask)),
        progress=state.fraction,
        eta=state.eta_seconds,
        stage=clean_text(state.error.message if state.error else state.stage, MAX_TITLE),
    )


def _title(request: GenerationRequest) -> str:
    match request:
        case Generation():
            return request.prompt or (request.prompts[0] if request.prompts else "")
        case LoadCheckpoint():
            return "Loading the checkpoint"
        case UnloadCheckpoint():
            return "Unloading the checkpoints"
        case _:
            return "Looking for embeddings"
