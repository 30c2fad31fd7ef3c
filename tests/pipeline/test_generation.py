"""What making pictures from noise and from pictures have in common."""

from pathlib import Path

import pytest

from modules.core.cancellation import CancelToken
from modules.core.errors import OutputError
from modules.core.events import ImageReady, JobEvent
from modules.core.parameters import Txt2Img
from modules.core.results import GeneratedImage
from modules.core.settings import Settings
from modules.imaging.metadata import read_parameters
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import run

CATS = Txt2Img(prompt="a cat", sampler="Euler", steps=2, seed=5, width=64, height=64, batch_size=2, batch_count=2)


def test_the_whole_batch_is_kept_when_its_folder_cannot_be_written(runner: PipelineRunner, data: Path) -> None:
    (data / "blocked").write_bytes(b"a file where the folder should be")
    kept: list[GeneratedImage] = []

    def react(event: JobEvent, _token: CancelToken) -> None:
        if isinstance(event, ImageReady):
            kept.append(event.image)

    with pytest.raises(OutputError, match="blocked"):
        run(runner, CATS, Settings(outdir_samples="blocked"), react=react)
    assert [(image.seed, image.path) for image in kept] == [(5, None), (6, None)]
    assert all(read_parameters(image.data) == image.infotext for image in kept)


def test_an_interrupted_job_says_what_could_not_be_written(runner: PipelineRunner, data: Path) -> None:
    (data / "closed").write_bytes(b"a file where the folder should be")

    def react(event: JobEvent, token: CancelToken) -> None:
        if isinstance(event, ImageReady):
            token.interrupt()

    result, _ = run(runner, CATS, Settings(outdir_samples="closed"), react=react)
    assert [image.seed for image in result.images] == [5]
    assert "Cannot save a picture in" in result.notes[0]


def test_pictures_and_grids_have_the_formats_of_the_settings(runner: PipelineRunner) -> None:
    result, _ = run(runner, CATS, Settings(samples_format="webp", grid_format="jpg", outdir_samples="webp"))
    assert [image.suffix for image in result.images] == [".jpg", *[".webp"] * 4]
    assert all(image.path and image.path.read_bytes() == image.data for image in result.images)
    assert all(read_parameters(image.data) == image.infotext for image in result.images)
