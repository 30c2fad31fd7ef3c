"""The way from a request to a picture gives what A1111 1.8 gave, to the pixel."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core.cancellation import CancelToken
from modules.core.events import Finished, JobEvent
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.parameters import Txt2Img
from modules.core.paths import resolve_paths
from modules.core.results import GeneratedImage
from modules.core.samplers import split_combined_name
from modules.core.settings import Settings
from modules.library.checkpoints import CheckpointLibrary
from modules.pipeline.runner import PipelineRunner
from modules.storage.hashes import HashCache
from tests.recorded_checkpoint import write_recorded_checkpoint

RECORDED = Path(__file__).parents[1] / "data" / "a1111"
CASES = sorted(path.parent.name for path in RECORDED.glob("*/request.json"))


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> PipelineRunner:
    data = tmp_path_factory.mktemp("data")
    write_recorded_checkpoint(data / "models" / "Stable-diffusion")
    flags = Flags(data_dir=data, no_half=True, use_cpu=("all",))
    paths = resolve_paths(flags)
    return PipelineRunner(flags=flags, paths=paths, checkpoints=CheckpointLibrary(paths, HashCache(paths.database)))


def generate(
    runner: PipelineRunner, request: Txt2Img, settings: Settings | None = None, token: CancelToken | None = None
) -> tuple[tuple[GeneratedImage, ...], list[JobEvent]]:
    events: list[JobEvent] = []
    job = Job(id="job", request=request, settings=settings or Settings(samples_save=False), created=datetime.now(UTC))
    runner(job, events.append, token or CancelToken())
    last = events[-1]
    assert isinstance(last, Finished)
    return last.result.images, events


def as_request(body: dict[str, Any]) -> Txt2Img:
    """Say in 1.10's words what a request to 1.8 meant: there a bare name was the uniform schedule."""
    sampler, scheduler = split_combined_name(body["sampler_name"])
    names = ("prompt", "negative_prompt", "seed", "steps", "cfg_scale", "width", "height")
    return Txt2Img(
        sampler=sampler,
        scheduler="Uniform" if scheduler == "Automatic" else scheduler,
        **{name: body[name] for name in names},
    )


def pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int16)


@pytest.mark.parametrize("case", CASES)
def test_picture_and_infotext_equal_the_recording(runner: PipelineRunner, case: str) -> None:
    body = json.loads((RECORDED / case / "request.json").read_text())["body"]
    images, _ = generate(runner, as_request(body))
    difference = np.abs(pixels(images[0].data) - pixels((RECORDED / case / "image_00.png").read_bytes()))
    assert difference.max() <= 1
    recorded = (RECORDED / case / "info.txt").read_text().strip().splitlines()
    ours = images[0].infotext.splitlines()
    assert ours[:2] == recorded[:2]
    assert "Model hash: bb64a9c9c4, Model: tiny-sd1, Version: Easel" in ours[2]


def test_a_batch_equals_single_pictures(runner: PipelineRunner) -> None:
    request = Txt2Img(prompt="a cat", sampler="Euler a", steps=3, seed=5, width=64, height=64)
    batch, _ = generate(runner, request.model_copy(update={"batch_size": 2, "make_grid": False}))
    second, _ = generate(runner, request.model_copy(update={"seed": 6}))
    assert [image.seed for image in batch] == [5, 6]
    assert np.abs(pixels(batch[1].data) - pixels(second[0].data)).max() <= 1
