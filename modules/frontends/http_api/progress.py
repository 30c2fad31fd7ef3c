"""How jobs are getting on, and stopping them."""

from base64 import b64encode

from fastapi import APIRouter
from pydantic import BaseModel

from modules.core.errors import UnknownName
from modules.frontends.backend import Backend
from modules.frontends.http_api.generation_info import TIMESTAMP
from modules.jobs.service import JobService
from modules.jobs.state import JobState, JobStatus


class StateAnswer(BaseModel):
    """A1111's `shared.state`: one entry per thing it counts."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""
    job_count: int = 0
    job_timestamp: str = "0"
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0


class ProgressAnswer(BaseModel):
    """How the running job stands; all zero when none runs."""

    progress: float = 0.0
    eta_relative: float = 0.0
    state: StateAnswer = StateAnswer()
    current_image: str | None = None
    textinfo: str | None = None


class TaskQuestion(BaseModel):
    """Which job a page asks about, and which preview it shows already."""

    id_task: str | None = None
    id_live_preview: int = -1
    live_preview: bool = True


class TaskAnswer(BaseModel):
    """How one job stands, as A1111's page wants to know it."""

    active: bool = False
    queued: bool = False
    completed: bool = False
    progress: float | None = None
    eta: float | None = None
    live_preview: str | None = None
    id_live_preview: int = -1
    textinfo: str | None = None


class PendingAnswer(BaseModel):
    """The jobs that wait, the next one first."""

    size: int
    tasks: list[str]


def progress_router(backend: Backend) -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    jobs = backend.jobs

    @router.get("/sdapi/v1/progress")
    async def progress(*, skip_current_image: bool = False) -> ProgressAnswer:
        """How the running job stands."""
        state = jobs.current()
        return _progress(state, with_image=not skip_current_image) if state else ProgressAnswer()

    @router.post("/sdapi/v1/interrupt")
    async def interrupt() -> dict[str, str]:
        """Stop the running job; its finished pictures are kept."""
        jobs.interrupt()
        return {}

    @router.post("/sdapi/v1/skip")
    async def skip() -> dict[str, str]:
        """Let the running job go on with its next batch."""
        jobs.skip()
        return {}

    @router.post("/internal/progress")
    async def task_progress(question: TaskQuestion) -> TaskAnswer:
        """How the job `id_task` stands."""
        try:
            state = jobs.state(question.id_task or "")
        except UnknownName:
            return TaskAnswer(textinfo="Waiting...")
        return _task(jobs, state, question)

    @router.get("/internal/pending-tasks")
    async def pending_tasks() -> PendingAnswer:
        """Which jobs wait."""
        tasks = [state.job.id for state in jobs.pending()]
        return PendingAnswer(size=len(tasks), tasks=tasks)

    @router.get("/internal/ping")
    async def ping() -> dict[str, str]:
        """Whether the server is there."""
        return {}

    return router


def _progress(state: JobState, *, with_image: bool) -> ProgressAnswer:
    image = b64encode(state.preview.data).decode("ascii") if state.preview and with_image else None
    return ProgressAnswer(
        # never 0 while something runs: clients take 0 for idle
        progress=max(0.01, state.fraction),
        eta_relative=state.eta_seconds or 0.0,
        state=StateAnswer(
            skipped=state.skipping,
            interrupted=state.interrupted,
            stopping_generation=state.interrupted,
            job=state.job.id,
            job_count=max(1, state.batches),
            job_timestamp=state.job.created.strftime(TIMESTAMP),
            job_no=state.batch,
            sampling_step=state.step,
            sampling_steps=state.steps,
        ),
        current_image=image,
        textinfo=state.stage,
    )


def _task(jobs: JobService, state: JobState, question: TaskQuestion) -> TaskAnswer:
    match state.status:
        case JobStatus.QUEUED:
            return TaskAnswer(queued=True, textinfo=_place_in_queue(jobs, state))
        case JobStatus.RUNNING:
            return _running_task(state, question)
        case JobStatus.FAILED:
            return TaskAnswer(completed=True, textinfo=state.error.message if state.error else None)
        case JobStatus.FINISHED | JobStatus.CANCELLED:
            return TaskAnswer(completed=True)


def _place_in_queue(jobs: JobService, state: JobState) -> str:
    ids = [pending.job.id for pending in jobs.pending()]
    # it may have begun since its state was read
    return f"In queue: {ids.index(state.job.id) + 1}/{len(ids)}" if state.job.id in ids else "Starting"


def _running_task(state: JobState, question: TaskQuestion) -> TaskAnswer:
    answer = TaskAnswer(
        active=True,
        progress=state.fraction if state.loading is None else state.loading,
        eta=state.eta_seconds,
        id_live_preview=question.id_live_preview,
        textinfo=state.stage,
    )
    preview = state.preview
    if preview and question.live_preview and preview.id != question.id_live_preview:
        answer.live_preview = f"data:{preview.media_type};base64,{b64encode(preview.data).decode('ascii')}"
        answer.id_live_preview = preview.id
    return answer
