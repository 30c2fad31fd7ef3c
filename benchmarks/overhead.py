"""Seconds per step of our txt2img over a bare loop that calls the same UNet with the same inputs.

usage: overhead.py CHECKPOINT.safetensors [--steps 6] [--size 512] [--rounds 2]

Both are measured in one run, in turn, step by step: after each of our steps the very tensors that the UNet was given
are given to it again by hand. So a machine that is busy slows both alike. A step of ours is everything between two
model calls: guidance, solver, progress, live preview. Prints the ratio of the sums, and of the medians.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning
from modules.core.cancellation import CancelToken
from modules.core.events import JobEvent, Progress
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.library.model_library import open_library
from modules.pipeline.runner import PipelineRunner


class Stopwatch:
    """Runs the bare call after each of our steps and keeps the times of both."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.bare: list[float] = []
        self._bare_call: Callable[[], object] | None = None
        self._since = 0.0

    def remember(self, model: LoadedModel, x: Tensor, t: Tensor, conditioning: Conditioning) -> None:
        """Keep what the UNet is about to be given, in the form in which it gets it."""
        x = x.to(model.dtype, memory_format=model.layout)
        context = conditioning.cross_attention.to(model.dtype)
        self._bare_call = lambda: model.network(x, t, context, return_dict=False)

    def on_event(self, event: JobEvent) -> None:
        """Take the time at every step that is over, then the time of the bare call."""
        if not isinstance(event, Progress) or event.stage != "Sampling":
            return
        synchronize()
        now = time.perf_counter()
        assert self._bare_call
        if event.step > 1:  # the first step includes what comes before it
            self._bare_call()
            synchronize()
            self.bare.append(time.perf_counter() - now)
            self.ours.append(now - self._since)
        self._since = time.perf_counter()


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sampler", default="Euler")
    arguments = parser.parse_args()
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        paths = resolve_paths(Flags(data_dir=Path(folder), ckpt=arguments.checkpoint))
        library = open_library(paths)
        runner = PipelineRunner(flags=Flags(data_dir=Path(folder)), paths=paths, library=library)
        request = Txt2Img(
            prompt="a red cat",
            steps=arguments.steps,
            width=arguments.size,
            height=arguments.size,
            seed=1,
            sampler=arguments.sampler,
            batch_count=arguments.rounds,
        )
        job = Job(id="bench", request=request, settings=Settings(samples_save=False), created=datetime.now(UTC))
        predict = LoadedModel.predict

        def recorded(model: LoadedModel, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
            watch.remember(model, x, t, conditioning)
            return predict(model, x, t, conditioning)

        LoadedModel.predict = recorded  # pyright: ignore[reportAttributeAccessIssue]  # self has another name
        runner(job, watch.on_event, CancelToken())
    print(f"{len(watch.ours)} steps of {arguments.size}×{arguments.size}, {arguments.sampler}, live preview on")
    print(f"ours {statistics.median(watch.ours):.3f} s per step, bare {statistics.median(watch.bare):.3f} s (medians)")
    print(f"ratio of sums {sum(watch.ours) / sum(watch.bare):.4f}")
    print(f"ratio of medians {statistics.median(watch.ours) / statistics.median(watch.bare):.4f}")


if __name__ == "__main__":
    main()
