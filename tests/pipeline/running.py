"""Run one request through the pipeline and look at the result."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import Image

from modules.core.cancellation import CancelToken
from modules.core.events import Cancelled, Finished, JobEvent
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.results import GenerationResult
from modules.core.settings import Settings
from modules.pipeline.runner import PipelineRunner

UNSAVED = Settings(samples_save=False, grid_save=False)


def run(
    runner: PipelineRunner,
    request: Txt2Img,
    settings: Settings = UNSAVED,
    *,
    react: Callable[[JobEvent, CancelToken], None] = lambda _event, _token: None,
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


def pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Decode a picture file to [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int16)
