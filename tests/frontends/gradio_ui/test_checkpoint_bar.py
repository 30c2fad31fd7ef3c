"""What the bar shows, without a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.checkpoint_bar import CheckpointEvents
from modules.frontends.gradio_ui.model_defaults import ModelDefaults
from tests.frontends.gradio_ui.page_server import make_backend, write_checkpoint
from tests.safetensors_headers import PROMPTS, write_demo, write_header

DEMO = ModelDefaults(width=128, height=128, prompts=PROMPTS).to_json()
Make = Callable[[], Backend]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of checkpoints, with a name that is markup if nobody escapes it."""
    return tmp_path / "a<b>c" / "models" / "Stable-diffusion"


@pytest.fixture
def backend(folder: Path) -> Iterator[Backend]:
    wired = make_backend(folder.parents[1])
    yield wired
    wired.jobs.close()


def test_without_any_checkpoint(backend: Backend) -> None:
    shown = CheckpointEvents(backend).shown()
    assert (shown.demo, shown.defaults) == ("", ModelDefaults().to_json())
    assert "No checkpoint yet" in shown.notice
    assert shown.checkpoint.value is None


def test_the_demo_model_is_named_with_the_folder_for_real_ones(backend: Backend, folder: Path) -> None:
    write_demo(folder)
    shown = CheckpointEvents(backend).shown()
    assert "<strong>Demo model</strong>, comes with Easel" in shown.demo
    assert str(folder).replace("a<b>c", "a&lt;b&gt;c") in shown.demo
    assert (shown.defaults, shown.notice) == (DEMO, "")
    assert shown.checkpoint.value == "easel-demo.safetensors"


def test_a_real_checkpoint_takes_the_demo_models_place_after_a_refresh(backend: Backend, folder: Path) -> None:
    write_demo(folder)
    events = CheckpointEvents(backend)
    assert events.shown().demo
    write_header(folder / "real.safetensors", {"modelspec.resolution": "768x512"})
    assert events.shown().demo
    shown = events.rescan()
    assert (shown.checkpoint.value, shown.demo) == ("real.safetensors", "")
    assert shown.defaults == ModelDefaults(width=768, height=512).to_json()


def test_a_choice_made_elsewhere_is_shown(backend: Backend, folder: Path) -> None:
    write_demo(folder)
    write_checkpoint(backend.paths.data, "real.safetensors")
    events = CheckpointEvents(backend)
    assert events.shown().demo == ""
    backend.settings.update({"sd_model_checkpoint": "easel-demo.safetensors"}, trusted=False)  # as /options does
    assert events.shown().defaults == DEMO
    assert events.defaults().to_json() == DEMO
