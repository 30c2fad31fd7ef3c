"""`POST /sdapi/v1/txt2img`."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from modules.core.parameters import Txt2Img
from modules.frontends.backend import Backend
from modules.frontends.http_api.errors import JobFailed
from modules.frontends.http_api.generation_info import generation_answer
from modules.frontends.http_api.overrides import check_overrides
from modules.frontends.http_api.txt2img_body import Txt2ImgBody
from modules.frontends.http_api.unsupported import refuse_unsupported
from modules.jobs.state import JobState


class GenerationAnswer(BaseModel):
    """What a generation answers."""

    images: list[str]
    parameters: dict[str, Any]
    info: str


def txt2img_router(backend: Backend) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/sdapi/v1")

    @router.post("/txt2img", response_model=GenerationAnswer)
    async def txt2img(body: Txt2ImgBody) -> Response:
        """Make pictures from a prompt; answers when they are done or the job was interrupted."""
        request = await run_in_threadpool(_prepare, body, backend)
        handle = backend.jobs.submit(request, job_id=body.force_task_id, overrides=body.override_settings)
        # When the client leaves meanwhile, the job goes on.
        state = await backend.jobs.wait(handle.job_id)
        # In a thread, since a large batch takes noticeable time to encode.
        return Response(await run_in_threadpool(_answer, body, state), media_type="application/json")

    return router


def _prepare(body: Txt2ImgBody, backend: Backend) -> Txt2Img:
    refuse_unsupported(body)
    request = body.to_request()
    check_overrides(backend, body.override_settings)
    if body.override_settings and not body.override_settings_restore_afterwards:
        backend.settings.update(body.override_settings, trusted=False)
    return request


def _answer(body: Txt2ImgBody, state: JobState) -> bytes:
    if state.error:
        raise JobFailed(state.error)
    request = state.job.request
    assert isinstance(request, Txt2Img)  # noqa: S101 # it was submitted as one
    assert state.result  # noqa: S101 # a job that has not failed ends with one
    return generation_answer(
        state.job, request, state.result, parameters=body.model_dump(), send_images=body.send_images
    )
