"""Jobs that a route waits for."""

from typing import Any

from modules.core.parameters import GenerationRequest
from modules.core.results import GenerationResult
from modules.frontends.backend import Backend
from modules.frontends.http_api.errors import JobCancelled, JobFailed
from modules.jobs.state import JobStatus


async def finished_job(
    backend: Backend, request: GenerationRequest, doing: str, overrides: dict[str, Any] | None = None
) -> GenerationResult:
    """Queue a request and return what came of it.

    Args:
        backend: runs it.
        request: what is to be done.
        doing: the same for people, as the beginning of a sentence ("Loading x").
        overrides: settings that differ for this job.

    Raises:
        JobFailed: it went wrong.
        JobCancelled: it was interrupted.
    """
    handle = backend.jobs.submit(request, overrides=overrides)
    state = await backend.jobs.wait(handle.job_id)
    if state.error:
        raise JobFailed(state.error)
    if state.status is JobStatus.CANCELLED or state.result is None:
        raise JobCancelled(f"{doing} was interrupted; nothing was changed.")
    return state.result
