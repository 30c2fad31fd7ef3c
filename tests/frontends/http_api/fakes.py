"""A runner that paints one-coloured pictures, at the pace of the test."""

import io
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.core.cancellation import CancelToken
from modules.core.capabilities import Capabilities, MemoryUse
from modules.core.errors import ModelFileError, Skipped
from modules.core.events import Finished, ImageReady, JobEvent, Preview, Progress
from modules.core.job import Job
from modules.core.parameters import Generation
from modules.core.results import GeneratedImage, GenerationResult

Emit = Callable[[JobEvent], None]


@dataclass
class PaintingRunner:
    """Paints what is asked for. The prompt decides: "fail" fails as expected, "crash" unexpectedly, "slow" takes 50 ms
    per step, "wait" steps only when `gate` is released.

    Attributes:
        gate: acquired before every step of a waiting job.
        jobs: those that ran.
        device_memory: what it says of its device.
    """

    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    jobs: list[Job] = field(default_factory=list[Job])
    device_memory: MemoryUse | None = None

    @property
    def last_request(self) -> Generation:
        request = self.jobs[-1].request
        assert isinstance(request, Generation)
        return request

    def describe(self) -> Capabilities:
        return Capabilities(device_memory=self.device_memory)

    def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
        self.jobs.append(job)
        if not isinstance(job.request, Generation):
            if "broken" in (job.settings.sd_model_checkpoint or ""):
                raise ModelFileError("broken.safetensors is cut off. Download it again.")
            return
        request = job.request
        if "fail" in request.prompt:
            raise ModelFileError("tiny.safetensors is cut off. Download it again.")
        if "crash" in request.prompt:
            raise ZeroDivisionError("secret detail")
        images = self._paint(job, request, emit, token)
        if request.make_grid and len(images) > 1:
            images.insert(0, _picture(request, request.seed, is_grid=True))
        result = GenerationResult(images=tuple(images), model_name="tiny", model_hash="0123456789")
        emit(Finished(job_id=job.id, result=result))

    def _paint(self, job: Job, request: Generation, emit: Emit, token: CancelToken) -> list[GeneratedImage]:
        images: list[GeneratedImage] = []
        for batch in range(request.batch_count):
            try:
                self._steps(job.id, request, batch, emit, token)
            except Skipped:
                continue
            for _ in range(request.batch_size):
                images.append(_picture(request, request.seed + len(images)))
                emit(ImageReady(job_id=job.id, image=images[-1]))
        return images

    def _steps(self, job_id: str, request: Generation, batch: int, emit: Emit, token: CancelToken) -> None:
        for step in range(1, request.steps + 1):
            if "wait" in request.prompt:
                self.gate.acquire(timeout=20)
            if "slow" in request.prompt:
                time.sleep(0.05)
            token.check()
            fraction = (batch + step / request.steps) / request.batch_count
            emit(
                Progress(
                    job_id=job_id,
                    stage="Sampling",
                    step=step,
                    steps=request.steps,
                    batch=batch,
                    batches=request.batch_count,
                    fraction=fraction,
                )
            )
            emit(Preview(job_id=job_id, data=f"preview {step}".encode(), media_type="image/jpeg"))


def _picture(request: Generation, seed: int, *, is_grid: bool = False) -> GeneratedImage:
    infotext = f"{request.prompt}\nSteps: {request.steps}, Seed: {seed}"
    info = PngInfo()
    info.add_text("parameters", infotext)
    buffer = io.BytesIO()
    Image.new("RGB", (request.width, request.height), (seed % 256, 80, 120)).save(buffer, "PNG", pnginfo=info)
    return GeneratedImage(
        data=buffer.getvalue(),
        infotext=infotext,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=seed,
        subseed=request.subseed,
        width=request.width,
        height=request.height,
        is_grid=is_grid,
    )
