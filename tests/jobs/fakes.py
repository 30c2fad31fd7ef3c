"""A runner whose every move the test decides, and events to speak of."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from modules.core.cancellation import CancelToken
from modules.core.capabilities import Capabilities, MemoryUse
from modules.core.errors import Skipped
from modules.core.events import Finished, ImageReady, JobEvent, ModelLoading, Preview, Progress
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.results import GeneratedImage, GenerationResult

Emit = Callable[[JobEvent], None]


def picture(seed: int, *, size: int = 8, path: Path | None = None) -> GeneratedImage:
    return GeneratedImage(
        data=bytes(size),
        infotext=f"Seed: {seed}",
        prompt="a cat",
        negative_prompt="",
        seed=seed,
        subseed=0,
        width=64,
        height=64,
        path=path,
    )


def progress(job_id: str, step: int, *, steps: int = 4, batch: int = 0, batches: int = 1) -> Progress:
    return Progress(
        job_id=job_id,
        stage="Sampling",
        step=step,
        steps=steps,
        batch=batch,
        batches=batches,
        fraction=(batch + step / steps) / batches,
    )


@dataclass
class FakeRunner:
    """Takes the steps and batches of a request; with a `gate` it takes each step only when the gate is released.

    Attributes:
        gate: acquired before every step.
        ran: ids of the jobs in the order they came.
        threads: the threads it was called in.
        failures: what to raise instead of running, by job id.
    """

    gate: threading.Semaphore | None = None
    ran: list[str] = field(default_factory=list[str])
    threads: set[int] = field(default_factory=set[int])
    failures: dict[str, BaseException] = field(default_factory=dict[str, BaseException])

    def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
        self.ran.append(job.id)
        self.threads.add(threading.get_ident())
        if job.id in self.failures:
            raise self.failures[job.id]
        request = job.request
        if not isinstance(request, Txt2Img):
            return
        emit(ModelLoading(job_id=job.id, name="tiny", fraction=1.0))
        images: list[GeneratedImage] = []
        for batch in range(request.batch_count):
            try:
                self._sample(job.id, request, batch, emit, token)
            except Skipped:
                continue
            images.append(picture(request.seed + batch))
            emit(ImageReady(job_id=job.id, image=images[-1]))
        emit(Finished(job_id=job.id, result=GenerationResult(images=tuple(images), model_name="tiny")))

    def _sample(self, job_id: str, request: Txt2Img, batch: int, emit: Emit, token: CancelToken) -> None:
        for step in range(request.steps):
            if self.gate:
                # bounded, so that a test that forgets a job does not leave its thread behind for ever
                self.gate.acquire(timeout=20)
            token.check()
            emit(progress(job_id, step + 1, steps=request.steps, batch=batch, batches=request.batch_count))
            emit(Preview(job_id=job_id, data=f"{batch}.{step}".encode(), media_type="image/jpeg"))

    def describe(self) -> Capabilities:
        return Capabilities(device_memory=MemoryUse(free=0, used=len(self.ran), total=100))
