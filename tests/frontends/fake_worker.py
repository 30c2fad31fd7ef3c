"""A worker that paints instead of computing: it needs no model and no torch, and takes as long as it is told."""

import io
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFilter
from PIL.PngImagePlugin import PngInfo

from modules.core.cancellation import CancelToken
from modules.core.capabilities import Capabilities
from modules.core.errors import ModelFileError, OutOfMemoryError, Skipped
from modules.core.events import Finished, ImageReady, JobEvent, ModelLoading, Preview, Progress
from modules.core.job import Job
from modules.core.parameters import Generation, Img2Img, LoadCheckpoint, Txt2Img
from modules.core.results import GeneratedImage, GenerationResult
from modules.imaging.save import save_picture
from modules.jobs.workers.local import LocalWorker

Emit = Callable[[JobEvent], None]
Colour = tuple[int, int, int]


class Gate:
    """Where jobs wait in their middle while it is shut, so that a test can look at them in peace."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()

    def shut(self) -> None:
        """Let jobs wait here."""
        self._open.clear()

    def open(self) -> None:
        """Let jobs go on."""
        self._open.set()

    def pass_through(self, token: CancelToken) -> None:
        """Wait while the gate is shut, unless the job is to stop."""
        while not self._open.wait(0.02):
            token.check()


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeRunner:
    """A `Runner` whose behaviour the request decides: a prompt with the word "fail" fails, a checkpoint with "bad" in
    its name does not load.

    Attributes:
        step_seconds: how long a sampling step takes.
        gate: holds jobs back half-way, and checkpoints while they load.
        folder: where pictures are saved; None to save none.
    """

    step_seconds: float = 0.02
    gate: Gate = field(default_factory=Gate)
    folder: Path | None = None

    def describe(self) -> Capabilities:
        """See `Runner.describe`."""
        return Capabilities()

    def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
        """See `Runner.__call__`."""
        match job.request:
            case LoadCheckpoint():
                self._load(job, emit, token)
            case Txt2Img() | Img2Img():
                self._paint(job, job.request, emit, token)
            case _:
                emit(Finished(job_id=job.id, result=GenerationResult()))

    def _load(self, job: Job, emit: Emit, token: CancelToken) -> None:
        name = job.settings.sd_model_checkpoint or "the first checkpoint"
        for fraction in (0.2, 0.5):
            time.sleep(self.step_seconds)
            emit(ModelLoading(job_id=job.id, name=name, fraction=fraction))
        self.gate.pass_through(token)
        if "bad" in name:
            raise ModelFileError(f"{name} is not a Stable Diffusion checkpoint.")
        emit(Finished(job_id=job.id, result=GenerationResult()))

    def _paint(self, job: Job, request: Generation, emit: Emit, token: CancelToken) -> None:
        began = time.monotonic()
        images: list[GeneratedImage] = []
        for batch in range(request.batch_count):
            try:
                self._steps(job, request, batch, emit, token)
            except Skipped:
                continue
            for number in range(batch * request.batch_size, (batch + 1) * request.batch_size):
                images.append(self._saved(picture(request, number)))
                emit(ImageReady(job_id=job.id, image=images[-1]))
        seconds = time.monotonic() - began
        emit(Finished(job_id=job.id, result=GenerationResult(images=tuple(images), seconds=seconds)))

    def _saved(self, image: GeneratedImage) -> GeneratedImage:
        if self.folder is None:
            return image
        path = save_picture(image.data, self.folder, stem=str(image.seed), suffix=".png")
        return replace(image, path=path)

    def _steps(self, job: Job, request: Generation, batch: int, emit: Emit, token: CancelToken) -> None:
        final = landscape(request.seed + batch, 128, 128 * request.height // request.width)
        for step in range(1, request.steps + 1):
            time.sleep(self.step_seconds)
            token.check()
            if "fail" in request.prompt and step > request.steps // 2:
                raise OutOfMemoryError("The picture does not fit into memory. Choose a smaller size or batch size.")
            done = step / request.steps
            emit(
                Progress(
                    job_id=job.id,
                    stage="Sampling",
                    step=step,
                    steps=request.steps,
                    batch=batch,
                    batches=request.batch_count,
                    fraction=(batch + done) / request.batch_count,
                )
            )
            if step % 2 == 0:
                rough = final.filter(ImageFilter.GaussianBlur(12 * (1 - done)))
                emit(Preview(job_id=job.id, data=_encoded(rough, "JPEG"), media_type="image/jpeg"))
            if step == request.steps // 2:
                self.gate.pass_through(token)


def fake_worker(*, step_seconds: float = 0.02, gate: Gate | None = None, folder: Path | None = None) -> LocalWorker:
    """Return a worker that paints."""
    runner = FakeRunner(step_seconds=step_seconds, gate=gate or Gate(), folder=folder)
    return LocalWorker(lambda: runner)


def picture(request: Generation, number: int) -> GeneratedImage:
    """Paint picture `number` of a request, with its infotext inside."""
    seed = request.seed + number
    infotext = (
        f"{request.prompt}\nNegative prompt: {request.negative_prompt}\n"
        f"Steps: {request.steps}, Sampler: {request.sampler}, Schedule type: {request.scheduler}, "
        f"CFG scale: {request.cfg_scale:g}, Seed: {seed}, Size: {request.width}x{request.height}"
    )
    return GeneratedImage(
        data=_encoded(landscape(seed, request.width, request.height), "PNG", infotext),
        infotext=infotext,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=seed,
        subseed=request.subseed,
        width=request.width,
        height=request.height,
    )


def landscape(seed: int, width: int, height: int) -> Image.Image:
    """Paint hills below an evening sky, other ones for every seed."""
    random = Random(seed)
    hue = random.random()
    canvas = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(canvas)
    for y in range(height):
        draw.line((0, y, width, y), fill=_sky(hue, y / height))
    sun_x, sun_y, radius = random.uniform(0.25, 0.75) * width, random.uniform(0.25, 0.42) * height, 0.07 * width
    glow = Image.new("L", (width, height))
    ImageDraw.Draw(glow).ellipse((sun_x - radius, sun_y - radius, sun_x + radius, sun_y + radius), fill=255)
    canvas.paste((255, 244, 220), mask=glow.filter(ImageFilter.GaussianBlur(width / 170)))
    layers = 6
    for layer in range(layers):
        _hills(draw, random, hue, layer / (layers - 1), (width, height))
    return canvas


def _sky(hue: float, down: float) -> Colour:
    top, bottom = _tint(hue, 0.33, 0.45), _tint(hue + 0.42, 0.86, 0.5)
    share = min(1.0, down * 1.6)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
    return red, green, blue


def _hills(draw: ImageDraw.ImageDraw, random: Random, hue: float, nearness: float, size: tuple[int, int]) -> None:
    width, height = size
    base = height * (0.5 + 0.42 * nearness)
    waves = [
        (random.uniform(0.5, 1.0) * height * 0.09 / (1 + order), random.uniform(1, 2) * 2**order, random.random())
        for order in range(5)
    ]
    ridge = [
        (x, base - sum(a * math.sin(2 * math.pi * (f * x / width + p)) for a, f, p in waves))
        for x in range(0, width + 4, 2)
    ]
    draw.polygon([*ridge, (width + 4, height), (0, height)], fill=_tint(hue + 0.04, 0.62 - 0.5 * nearness, 0.38))


def _tint(hue: float, lightness: float, saturation: float) -> Colour:
    """Return a colour of the circle; `hue`, `lightness` and `saturation` are 0..1."""
    spread = saturation * (1 - abs(2 * lightness - 1))
    red, green, blue = (
        round(255 * (lightness + spread * math.cos(2 * math.pi * (hue - third / 3)) / 2)) for third in range(3)
    )
    return red, green, blue


def _encoded(image: Image.Image, file_format: str, infotext: str | None = None) -> bytes:
    info = PngInfo()
    if infotext is not None:
        info.add_text("parameters", infotext)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **({"pnginfo": info} if file_format == "PNG" else {"quality": 80}))
    return buffer.getvalue()
