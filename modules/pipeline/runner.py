"""Runs one job after the other on the GPU thread: chooses what to do by the kind of request."""

import logging
import time

import torch

from modules.core.cancellation import CancelToken
from modules.core.capabilities import Capabilities
from modules.core.errors import Interrupted, OutOfMemoryError
from modules.core.events import Cancelled, Finished
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import Img2Img, LoadCheckpoint, Txt2Img
from modules.core.paths import Paths
from modules.core.results import GenerationResult
from modules.hardware.device import choose_device
from modules.hardware.dtype import choose_precision
from modules.hardware.memory import device_memory, is_out_of_memory, release
from modules.library.checkpoints import CheckpointLibrary
from modules.loading.cache import ModelCache
from modules.pipeline.context import Emit, Loaded, RunContext
from modules.pipeline.img2img import run_img2img
from modules.pipeline.text_cache import TextCache
from modules.pipeline.txt2img import run_txt2img

log = logging.getLogger(__name__)


class PipelineRunner:
    """What `jobs.worker.Runner` asks for. Lives in the GPU thread, which is the only one that calls it."""

    def __init__(self, *, flags: Flags, paths: Paths, checkpoints: CheckpointLibrary) -> None:
        self._paths = paths
        self._checkpoints = checkpoints
        self._device = choose_device(flags)
        self._precision = choose_precision(flags, self._device)
        self._cache = ModelCache(self._device, self._precision, flags)
        self._loaded: Loaded | None = None
        log.info("Running on %s with %s.", self._device, self._precision)

    def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
        """Run `job`, emitting its events up to and including `Finished` or `Cancelled`.

        Raises:
            EaselError: what went wrong, in a sentence; the worker turns it into `Failed`.
        """
        context = RunContext(
            job=job,
            paths=self._paths,
            emit=emit,
            token=token,
            load=self._load,
            find=lambda name: self._checkpoints.hashed(self._checkpoints.find(name), token),
        )
        try:
            self._run(context)
        except Interrupted:
            emit(Cancelled(job_id=job.id, result=self._result(context)))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            release(self._device)
            raise OutOfMemoryError(
                f"Not enough memory on {self._device} for this request. Choose a smaller width, height or batch size. "
                "Pictures finished before are kept, and the server goes on."
            ) from error
        else:
            emit(Finished(job_id=job.id, result=self._result(context)))

    def describe(self) -> Capabilities:
        """Say what this worker offers and in what state it is."""
        return Capabilities(device_memory=device_memory(self._device))

    def _run(self, context: RunContext) -> None:
        loaded = self._load(context, None)
        context.checkpoint = loaded.file
        # inference_mode: no autograd bookkeeping, also for tensors made on the way.
        with torch.inference_mode():
            match context.job.request:
                case LoadCheckpoint():
                    pass
                case Txt2Img() as request:
                    run_txt2img(context, loaded, request)
                case Img2Img() as request:
                    run_img2img(context, loaded, request)

    def _load(self, context: RunContext, name: str | None) -> Loaded:
        """Return the model of a name, or that of the job's settings, loading and hashing its file when that is new."""
        settings = context.settings
        file = self._checkpoints.default(settings) if name is None else self._checkpoints.find(name)
        model = self._cache.get(file, lambda fraction: context.loading(file.name, fraction), context.token)
        known = self._loaded
        if known is None or known.model is not model:
            known = self._loaded = Loaded(file=file, model=model, texts=TextCache(model.text_encoder))
        # The file of a model in memory may be gone by now; its hash was taken when it was loaded.
        if known.file.path != file.path or file.path.exists():
            hashed = self._checkpoints.hashed(file, context.token)
            known = self._loaded = Loaded(file=hashed, model=model, texts=known.texts)
        return known

    def _result(self, context: RunContext) -> GenerationResult:
        return GenerationResult(
            images=tuple(context.images),
            seconds=time.monotonic() - context.started,
            model_name=context.checkpoint.model_name if context.checkpoint else None,
            model_hash=context.checkpoint.shorthash if context.checkpoint else None,
            notes=tuple(context.notes),
        )
