"""`POST /sdapi/v1/prompt-info`, a route of our own: what becomes of prompts on their way to the text encoder."""

from collections.abc import Iterable
from dataclasses import replace

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from modules.core.errors import InvalidRequest
from modules.core.parameters import Txt2Img
from modules.core.samplers import find_sampler
from modules.core.settings import Settings
from modules.frontends.backend import Backend
from modules.frontends.http_api.infotext_body import filled_from_infotext
from modules.frontends.http_api.txt2img_body import Txt2ImgBody
from modules.prompting.inspector import MAX_CHARACTERS, Reading, inspect_prompt
from modules.prompting.report import PromptReport
from modules.prompting.styles import apply_styles, read_styles
from modules.prompting.tokenizer import shipped_tokenizer

MAX_WORK = 5_000_000
"""Characters of a prompt that changes from step to step, times model calls; writing so many texts takes a second."""


class PromptInfo(BaseModel):
    """One prompt; steps count model calls, of which some samplers make two or three per step."""

    text: str = Field(description="with its styles merged in; start and stop are places in it")
    report: PromptReport


class PromptInfoAnswer(BaseModel):
    """The prompts of both passes."""

    prompt: PromptInfo
    negative_prompt: PromptInfo
    hr_prompt: PromptInfo | None = Field(description="null where the second pass has the prompt of the first, or none")
    hr_negative_prompt: PromptInfo | None
    unknown_styles: list[str] = Field(description="names that are not in styles.csv; they change nothing")


def prompt_info_router(backend: Backend) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/sdapi/v1")

    # Without async, so that it runs in a thread: a long prompt takes a second.
    @router.post("/prompt-info", response_model=PromptInfoAnswer)
    def prompt_info(body: Txt2ImgBody) -> Response:
        """Tell what the prompts of a txt2img request become: tokens, chunks, weights, steps, and likely mistakes."""
        filled = filled_from_infotext(body, backend)
        settings = backend.settings.overridden(filled.override_settings)
        answer = _answer(filled.to_request(), settings, backend)
        return Response(answer.model_dump_json(), media_type="application/json")

    return router


def _answer(request: Txt2Img, settings: Settings, backend: Backend) -> PromptInfoAnswer:
    known = {style.name: style for style in read_styles(backend.paths.styles_file)} if request.styles else {}
    styles = [known[name] for name in request.styles if name in known]
    reading, hires = _reading(request, settings), request.hires

    def info(text: str, own_hires_text: str) -> tuple[PromptInfo, PromptInfo | None]:
        additions = [style.negative_prompt if reading.negative else style.prompt for style in styles]
        if hires is None or not own_hires_text:
            return _info(text, additions, reading), None
        return (
            _info(text, additions, replace(reading, hires_steps=None)),
            _info(own_hires_text, additions, replace(reading, hires_only=True)),
        )

    prompt, hires_prompt = info(request.prompt, hires.prompt if hires else "")
    reading = replace(reading, negative=True)
    negative_prompt, hires_negative_prompt = info(request.negative_prompt, hires.negative_prompt if hires else "")
    return PromptInfoAnswer(
        prompt=prompt,
        negative_prompt=negative_prompt,
        hr_prompt=hires_prompt,
        hr_negative_prompt=hires_negative_prompt,
        unknown_styles=[name for name in request.styles if name not in known and name != "None"],
    )


def _reading(request: Txt2Img, settings: Settings) -> Reading:
    hires = request.hires
    return Reading(
        steps=_calls(request.sampler, request.steps),
        hires_steps=_calls(hires.sampler or request.sampler, hires.steps or request.steps) if hires else None,
        backtrack=settings.comma_padding_backtrack,
        emphasis=settings.emphasis,
        comments=settings.enable_prompt_comments,
        use_old_scheduling=settings.use_old_scheduling,
    )


def _calls(sampler: str, steps: int) -> int:
    return steps * find_sampler(sampler).calls_per_step


def _info(text: str, additions: Iterable[str], reading: Reading) -> PromptInfo:
    """Inspect a prompt after merging in styles.

    Raises:
        InvalidRequest: that would take long.
    """
    for addition in additions:
        text = apply_styles(text, [addition])
        if len(text) > MAX_CHARACTERS:
            raise InvalidRequest(f"With its styles the prompt has more than {MAX_CHARACTERS:,} characters. Shorten it.")
    calls = reading.steps + (reading.hires_steps or 0)
    if "[" in text and len(text) * calls > MAX_WORK:
        raise InvalidRequest(
            f"A prompt of {len(text):,} characters with [ ] in it may change at each of {calls} model calls, which is "
            "too much to look at. Shorten it, or ask for fewer steps."
        )
    return PromptInfo(text=text, report=inspect_prompt(text, shipped_tokenizer(), reading))
