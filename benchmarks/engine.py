"""What our own code costs beside the model calls, for every sampler, and what the text cache saves.

usage: engine.py CHECKPOINT.safetensors [--steps 4] [--size 512] [--sampler NAME ...]

Each sampler makes one picture through the whole pipeline, in one process. The time within model calls is taken at the
one seam where they happen; the overhead is all other time between the first and the last of them. Ratios are of one
run, so a slow or busy machine does not matter.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.conditioning.encode import TextOptions
from modules.core.cancellation import CancelToken
from modules.core.events import JobEvent
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import LoadCheckpoint, Txt2Img
from modules.core.paths import resolve_paths
from modules.core.samplers import SAMPLERS
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.library.model_library import open_library
from modules.pipeline.runner import PipelineRunner
from modules.pipeline.text_cache import TextCache
from modules.prompting.schedule import PromptStage

PROMPT = "a red cat sitting on a wooden table, masterpiece, (highly detailed:1.2)"


@dataclass
class Calls:
    """When model calls began and ended."""

    begins: list[float] = field(default_factory=list[float])
    ends: list[float] = field(default_factory=list[float])
    model: LoadedModel | None = None

    @property
    def overhead(self) -> float:
        """Time between calls over time within them; what lies before the first and after the last is not counted."""
        within = sum(end - begin for begin, end in zip(self.begins, self.ends, strict=True))
        return (self.ends[-1] - self.begins[0]) / within - 1


@contextmanager
def timed(calls: Calls) -> Iterator[None]:
    """Take the time of every model call in this context."""
    predict = LoadedModel.predict

    def timed_predict(model: LoadedModel, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        synchronize()
        calls.model = model
        calls.begins.append(time.perf_counter())
        output = predict(model, x, t, conditioning)
        synchronize()
        calls.ends.append(time.perf_counter())
        return output

    LoadedModel.predict = timed_predict  # pyright: ignore[reportAttributeAccessIssue]  # self has another name
    try:
        yield
    finally:
        LoadedModel.predict = predict


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def memory_mib() -> float:
    """Return what this process holds: on a GPU its peak there, else in main memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return psutil.Process().memory_info().rss / 2**20


def conditioning_seconds(model: LoadedModel) -> tuple[float, float]:
    """Return the time to encode a prompt for the first time, and again."""
    cache, stages = TextCache(model.text_encoder), [PromptStage(until=20, text=PROMPT)]
    times: list[float] = []
    for _ in range(2):
        since = time.perf_counter()
        cache.encode(stages, TextOptions(), CancelToken())
        synchronize()
        times.append(time.perf_counter() - since)
    return times[0], times[1]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--sampler", nargs="*", default=[info.name for info in SAMPLERS])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = resolve_paths(Flags(data_dir=Path(folder), ckpt=arguments.checkpoint))
        library = open_library(paths)
        runner = PipelineRunner(flags=Flags(data_dir=Path(folder)), paths=paths, library=library)

        def run(request: Txt2Img | LoadCheckpoint) -> None:
            settings = Settings(samples_save=False)
            runner(Job(id="b", request=request, settings=settings, created=datetime.now(UTC)), _unheard, CancelToken())

        run(LoadCheckpoint())
        print("| sampler | model calls per step | overhead | memory |")
        print("|---|---|---|---|")
        model: LoadedModel | None = None
        for sampler in arguments.sampler:
            calls = Calls()
            with timed(calls):
                run(_request(sampler, arguments.steps, arguments.size))
            model = calls.model
            per_step = len(calls.begins) / arguments.steps
            print(f"| {sampler} | {per_step:.2f} | {calls.overhead:.2%} | {memory_mib():,.0f} MiB |", flush=True)
        if model is not None:
            with torch.inference_mode():
                first, again = conditioning_seconds(model)
            print(
                f"\nencoding a prompt: {first * 1000:.0f} ms, again {again * 1000:.2f} ms ({again / first:.4f} of it)"
            )


def _request(sampler: str, steps: int, size: int) -> Txt2Img:
    return Txt2Img(prompt=PROMPT, steps=steps, width=size, height=size, seed=1, sampler=sampler)


def _unheard(_event: JobEvent) -> None:
    """Nobody listens to the job."""


if __name__ == "__main__":
    main()
