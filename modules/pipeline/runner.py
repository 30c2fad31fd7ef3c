"""Runs one job after the other on the GPU thread: chooses what to do by the kind of request."""

import logging
import time
from dataclasses import replace
from weakref import WeakKeyDictionary

import torch
from torch import nn

from modules.core.cancellation import CancelToken
from modules.core.capabilities import Capabilities
from modules.core.errors import Interrupted, OutOfMemoryError
from modules.core.events import Cancelled, Finished
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import Img2Img, ListEmbeddings, LoadCheckpoint, Txt2Img, UnloadCheckpoint
from modules.core.paths import Paths
from modules.core.results import GenerationResult
from modules.hardware.device import choose_device
from modules.hardware.dtype import choose_precision
from modules.hardware.memory import device_memory, is_out_of_memory, release
from modules.library.checkpoints import CheckpointFile
from modules.library.model_library import ModelLibrary
from modules.loading.cache import Keep, ModelCache
from modules.loading.options import LoadOptions
from modules.pipeline.add_ons import AddOns
from modules.pipeline.context import Emit, Loaded, RunContext
from modules.pipeline.img2img import run_img2img
from modules.pipeline.network_modes import network_modes
from modules.pipeline.refiner import other_checkpoints
from modules.pipeline.text_cache import TextCache
from modules.pipeline.txt2img import run_txt2img
from modules.pipeline.vaes import Vaes

log = logging.getLogger(__name__)


class PipelineRunner:
    """What `jobs.worker.Runner` asks for. Lives in the GPU thread, which is the only one that calls it."""

    def __init__(self, *, flags: Flags, paths: Paths, library: ModelLibrary) -> None:
        self._paths = paths
        self._checkpoints = library.checkpoints
        self._device = choose_device(flags)
        self._precision = choose_precision(flags, self._device)
        self._vaes = Vaes(library, self._device, self._precision.vae)
        self._add_ons = AddOns(library)
        self._cache = ModelCache(self._device, self._precision, flags, self._add_ons.give_back)
        # What is known of texts lives as long as the network that is told them.
        self._texts: WeakKeyDictionary[nn.Module, TextCache] = WeakKeyDictionary()
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
            load=lambda context, name: self._load(context, self._checkpoints.find(name)),
            find=lambda name: self._hashed(self._checkpoints.find(name), token),
            add_ons=self._add_ons,
            use=self._cache.use,
        )
        try:
            with network_modes(job.request, job.settings) as context.prepare:
                self._run(context)
        except Interrupted:
            emit(Cancelled(job_id=job.id, result=self._result(context)))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._add_ons.give_back()
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
        if isinstance(context.job.request, UnloadCheckpoint):
            self._vaes.forget()
            self._add_ons.forget()
            self._cache.clear()
            return
        context.keep, base = self._needed(context)
        loaded = self._load(context, base)
        context.checkpoint = loaded.file
        # inference_mode: no autograd bookkeeping, also for tensors made on the way.
        with torch.inference_mode():
            match context.job.request:
                case LoadCheckpoint():
                    pass
                case ListEmbeddings():
                    context.embeddings = context.add_ons.list_embeddings(loaded.model)
                case Txt2Img() as request:
                    run_txt2img(context, loaded, request)
                case Img2Img() as request:
                    run_img2img(context, loaded, request)

    def _needed(self, context: RunContext) -> tuple[Keep, CheckpointFile]:
        """Return which checkpoints stay in memory, and the one that the job begins with.

        Raises:
            NoModelError: there are no checkpoints.
            UnknownName: the request names one that there is not.
        """
        settings = context.settings
        base = self._checkpoints.default(settings)
        others = (self._checkpoints.find(name) for name in other_checkpoints(context.job.request))
        keep = Keep(
            limit=settings.sd_checkpoints_limit,
            aside=settings.sd_checkpoints_keep_in_cpu,
            together=frozenset(file.path for file in (base, *others)),
        )
        return keep, base

    def _load(self, context: RunContext, file: CheckpointFile) -> Loaded:
        """Return the model of a file, loading and hashing it when that is new."""
        model = self._cache.get(
            file,
            context.keep,
            lambda fraction: context.loading(file.name, fraction),
            context.token,
            LoadOptions.of(context.settings),
        )
        texts = self._texts.setdefault(model.network, TextCache(model.text_encoder))
        vae, problems = self._vaes.chosen(file, model, context.settings, context.token)
        for problem in problems:
            context.note(problem)
        model = model if vae is None else replace(model, vae=vae.vae)
        context.prepare(model)
        return Loaded(file=self._hashed(file, context.token), model=model, texts=texts, vae=vae)

    def _hashed(self, file: CheckpointFile, token: CancelToken) -> CheckpointFile:
        # The file of a model in memory may be gone by now; its hash was taken when it was loaded.
        if file.path in self._cache and not file.path.exists():
            return file
        return self._checkpoints.hashed(file, token)

    def _result(self, context: RunContext) -> GenerationResult:
        return GenerationResult(
            images=tuple(context.images),
            seconds=time.monotonic() - context.started,
            model_name=context.checkpoint.model_name if context.checkpoint else None,
            model_hash=context.checkpoint.shorthash if context.checkpoint else None,
            notes=tuple(context.notes),
            embeddings=context.embeddings,
        )
