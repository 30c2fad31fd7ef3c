"""Run one request through the pipeline and look at the result."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import Image

from modules.core.cancellation import CancelToken
from modules.core.events import Cancelled, Finished, JobEvent, Progress
from modules.core.job import Job
from modules.core.parameters import Img2Img, Picture, Txt2Img
from modules.core.results import GenerationResult
from modules.core.settings import Settings, with_changes
from modules.imaging.png import encode_png
from modules.pipeline.runner import PipelineRunner

UNSAVED = Settings(samples_save=False, grid_save=False)

Pixels = np.ndarray[Any, np.dtype[np.int16]]
React = Callable[[JobEvent, CancelToken], None]


def run(
    runner: PipelineRunner,
    request: Txt2Img | Img2Img,
    settings: Settings = UNSAVED,
    *,
    react: React = lambda _event, _token: None,
) -> tuple[GenerationResult, list[JobEvent]]:
    """Run `request`; `react` sees each event as it happens and may use the token. Return the result and the events."""
    events: list[JobEvent] = []
    token = CancelToken()

    def emit(event: JobEvent) -> None:
        events.append(event)
        react(event, token)

    runner(Job(id="job", request=request, settings=settings, created=datetime.now(UTC)), emit, token)
    last = events[-1]
    assert isinstance(last, Finished | Cancelled)
    return last.result, events


def made(runner: PipelineRunner, request: Txt2Img | Img2Img, **changes: object) -> Pixels:
    """Return the first picture of `request` with these settings."""
    return pixels(run(runner, request, with_changes(UNSAVED, changes))[0].images[0].data)


def pixels(data: bytes) -> Pixels:
    """Decode a picture file to [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int16)


def picture(image: Image.Image) -> Picture:
    """Return an image as a client sends it."""
    return Picture(data=encode_png(image, None))


def stop_at(batch: int, step: int, how: str) -> React:
    """Return what interrupts or skips when a certain step is reached."""

    def react(event: JobEvent, token: CancelToken) -> None:
        if isinstance(event, Progress) and event.stage == "Sampling" and (event.batch, event.step) == (batch, step):
            token.interrupt() if how == "interrupt" else token.skip()

    return react
