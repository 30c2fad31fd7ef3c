"""`POST /sdapi/v1/txt2img` and `POST /sdapi/v1/img2img`."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from modules.core.parameters import Generation, Img2Img, Txt2Img
from modules.frontends.backend import Backend
from modules.frontends.http_api.errors import JobFailed
from modules.frontends.http_api.generation_body import GenerationBody
from modules.frontends.http_api.generation_info import generation_answer
from modules.frontends.http_api.img2img_body import Img2ImgBody
from modules.frontends.http_api.infotext_body import filled_from_infotext
from modules.frontends.http_api.overrides import check_overrides
from modules.frontends.http_api.txt2img_body import Txt2ImgBody
from modules.frontends.http_api.unsupported import refuse_unsupported
from modules.jobs.state import JobState


class GenerationAnswer(BaseModel):
    """What a generation answers."""

    images: list[str]
    parameters: dict[str, Any]
    info: str


def generation_router(backend: Backend) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/sdapi/v1")

    @router.post("/txt2img", response_model=GenerationAnswer)
    async def txt2img(body: Txt2ImgBody) -> Response:
        """Make pictures from a prompt; answers when they are done or the job was interrupted."""
        return await _generate(body, backend)

    @router.post("/img2img", response_model=GenerationAnswer)
    async def img2img(body: Img2ImgBody) -> Response:
        """Make pictures from pictures; answers when they are done or the job was interrupted."""
        return await _generate(body, backend)

    return router


async def _generate(body: Txt2ImgBody | Img2ImgBody, backend: Backend) -> Response:
    asked, request = await run_in_threadpool(_prepare, body, backend)
    handle = backend.jobs.submit(request, job_id=body.force_task_id, overrides=asked.override_settings)
    # When the client leaves meanwhile, the job goes on.
    state = await backend.jobs.wait(handle.job_id)
    # In a thread, since a large batch takes noticeable time to encode.
    return Response(await run_in_threadpool(_answer, asked, state), media_type="application/json")


def _prepare(body: Txt2ImgBody | Img2ImgBody, backend: Backend) -> tuple[Txt2ImgBody | Img2ImgBody, Txt2Img | Img2Img]:
    """Return the body with what its infotext says, and the request that it means."""
    refuse_unsupported(body)
    asked = filled_from_infotext(body, backend)
    request = asked.to_request()
    check_overrides(backend, asked.override_settings)
    # Those of an infotext are meant for its picture alone.
    if body.override_settings and not body.override_settings_restore_afterwards:
        backend.settings.update(body.override_settings, trusted=False)
    return asked, request


def _answer(body: GenerationBody, state: JobState) -> bytes:
    if state.error:
        raise JobFailed(state.error)
    request = state.job.request
    assert isinstance(request, Generation)  # noqa: S101 # it was submitted as one
    assert state.result  # noqa: S101 # a job that has not failed ends with one
    parameters = body.model_dump()
    if isinstance(body, Img2ImgBody) and not body.include_init_images:
        parameters |= {"init_images": None, "mask": None}  # as A1111: they are large, and the client has them
    return generation_answer(state.job, request, state.result, parameters=parameters, send_images=body.send_images)
