from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from modules.core.cancellation import CancelToken
from modules.core.flags import Flags
from modules.core.job import Job
from modules.core.paths import resolve_paths
from modules.frontends.backend import Backend
from modules.frontends.cli import generate
from modules.imaging.metadata import read_parameters
from modules.jobs.service import JobService
from modules.jobs.workers.local import LocalWorker
from modules.library.model_library import open_library
from modules.storage.history import open_history
from modules.storage.settings_store import SettingsStore
from tests.frontends.fake_worker import Emit, FakeRunner
from tests.safetensors_headers import write_demo, write_header

Build = Callable[[Flags], Backend]


@pytest.fixture
def build() -> Build:
    return lambda flags: wired(flags, FakeRunner(step_seconds=0))


def wired(flags: Flags, runner: FakeRunner) -> Backend:
    paths = resolve_paths(flags)
    settings = SettingsStore(paths)
    jobs = JobService(LocalWorker(lambda: runner), settings.snapshot)
    library = open_library(paths)
    return Backend(jobs=jobs, settings=settings, library=library, history=open_history(paths), paths=paths, flags=flags)


def command(data: Path, *words: str) -> list[str]:
    return ["--data-dir", str(data), "--prompt", "a cat", "--width", "64", "--height", "64", "--steps", "2", *words]


@pytest.fixture(autouse=True)
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint that was trained for 768×448 px."""
    path = tmp_path / "models" / "Stable-diffusion" / "wide.safetensors"
    return write_header(path, {"modelspec.resolution": "768x448"})


def test_one_picture_is_written_where_it_was_asked_for(
    tmp_path: Path, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "out.png"
    options = ["--seed", "7", "--sampler", "DPM++ 2M Karras", "--cfg-scale", "4", "--negative-prompt", "dog"]
    assert generate.run(command(tmp_path, *options, "--output", str(output)), build) == 0
    assert read_parameters(output) == (
        "a cat\nNegative prompt: dog\n"
        "Steps: 2, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 4, Seed: 7, Size: 64x64"
    )
    assert capsys.readouterr().out.strip() == str(output)


def test_several_pictures_are_numbered(tmp_path: Path, build: Build) -> None:
    words = command(tmp_path, "--batch-count", "2", "--batch-size", "2", "--output", str(tmp_path / "out.png"))
    assert generate.run(words, build) == 0
    assert sorted(path.name for path in tmp_path.glob("out*")) == [f"out-{number}.png" for number in range(4)]


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ([], (768, 448)),
        (["--width", "64"], (64, 448)),
        (["--height", "64"], (768, 64)),
        (["--width", "64", "--height", "128"], (64, 128)),
        (["--checkpoint", "easel-demo"], (128, 128)),
    ],
)
def test_sides_that_are_not_given_are_the_checkpoints(
    tmp_path: Path, checkpoint: Path, build: Build, words: list[str], size: tuple[int, int]
) -> None:
    write_demo(checkpoint.parent)
    output = tmp_path / "out.png"
    common = ["--data-dir", str(tmp_path), "--prompt", "a cat", "--steps", "1", "--output", str(output)]
    assert generate.run([*common, *words], build) == 0
    with Image.open(output) as picture:
        assert picture.size == size


def test_the_job_runs_with_the_checkpoint_that_was_named(tmp_path: Path, checkpoint: Path) -> None:
    write_demo(checkpoint.parent)
    used: list[str | None] = []

    class Noting(FakeRunner):
        def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
            used.append(job.settings.sd_model_checkpoint)
            super().__call__(job, emit, token)

    for words in ([], ["--checkpoint", "easel-demo"]):
        assert generate.run(command(tmp_path, *words), lambda flags: wired(flags, Noting(step_seconds=0))) == 0
    assert used == ["wide.safetensors", "easel-demo.safetensors"]


def test_without_any_checkpoint_the_folder_to_fill_is_named(
    tmp_path: Path, checkpoint: Path, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.unlink()
    assert generate.run(command(tmp_path), build) == 1
    assert str(checkpoint.parent) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--steps", "0"], "steps"),
        (["--width", "9999"], "width"),
        (["--sampler", "Eulr"], "Eulr"),
        (["--no-such-flag"], "--no-such-flag"),
    ],
)
def test_wrong_arguments_are_named(
    tmp_path: Path, build: Build, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    with pytest.raises(SystemExit) as end:
        generate.run(command(tmp_path, *words), build)
    assert end.value.code == 2
    assert expected in capsys.readouterr().err


def test_an_unknown_checkpoint_is_named(tmp_path: Path, build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.run(command(tmp_path, "--checkpoint", "nowhere"), build) == 1
    assert "nowhere" in capsys.readouterr().err


def test_a_failed_job_says_why(tmp_path: Path, build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.run(command(tmp_path, "--prompt", "fail"), build) == 1
    assert "does not fit into memory" in capsys.readouterr().err


def test_the_ending_of_the_output_tells_its_format(tmp_path: Path) -> None:
    asked: list[str] = []

    class Noting(FakeRunner):
        def __call__(self, job: Job, emit: Emit, token: CancelToken) -> None:
            asked.append(job.settings.samples_format)
            super().__call__(job, emit, token)

    def noting(flags: Flags) -> Backend:
        return wired(flags, Noting(step_seconds=0))

    for name in ("a.webp", "b.JPG", "c"):
        assert generate.run(command(tmp_path, "--output", str(tmp_path / name)), noting) == 0
    assert asked == ["webp", "jpg", "png"]


def test_an_output_of_an_unknown_format_is_refused(
    tmp_path: Path, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.run(command(tmp_path, "--output", str(tmp_path / "a.bmp")), build) == 1
    assert "samples_format" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_named(
    tmp_path: Path, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert generate.run(command(tmp_path, "--output", str(tmp_path / "file" / "out.png")), build) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err
