"""The form when the page is opened and when the checkpoint changes, without a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.events import unchanged
from modules.frontends.gradio_ui.form import LABELS
from modules.frontends.gradio_ui.model_defaults import ModelDefaults
from modules.frontends.gradio_ui.txt2img_events import Txt2ImgEvents
from tests.frontends.gradio_ui.page_server import make_backend

REAL = ModelDefaults().to_json()
DEMO = ModelDefaults(width=128, height=128, prompts=("a red circle", "a blue star")).to_json()
SUBMITTED: dict[str, Any] = {
    "prompt": "a cat",
    "negative_prompt": "dog",
    "styles": ["Photo", "deleted"],
    "sampler": "Euler a",
    "scheduler": "Karras",
    "steps": 30,
    "width": 512,
    "height": 512,
    "batch_count": 2,
    "batch_size": 4,
    "cfg_scale": 6.5,
    "seed": "123",
}


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    (tmp_path / "styles.csv").write_text('name,prompt,negative_prompt\nPhoto,"photo, 35mm",drawing\n')
    wired = make_backend(tmp_path)
    yield wired
    wired.jobs.close()


@pytest.fixture
def events(backend: Backend) -> Txt2ImgEvents:
    return Txt2ImgEvents(backend)


def named(answer: list[Any]) -> dict[str, Any]:
    """Return an answer of `remembered` by name, without what stays as it is."""
    names = (*LABELS, "followed", "suggestions")
    return {name: value for name, value in zip(names, answer, strict=True) if value != unchanged()}


def memory(followed: str = REAL, **changes: Any) -> list[Any]:
    return [*(SUBMITTED | changes).values(), followed]


def test_the_form_is_remembered_with_the_styles_that_there_still_are(events: Txt2ImgEvents) -> None:
    form = named(events.remembered(REAL, memory(), REAL, "", 512, 512))
    assert form.pop("styles").value == ["Photo"]
    assert (form.pop("followed"), form.pop("suggestions")) == (REAL, "")
    assert form == {name: value for name, value in SUBMITTED.items() if name != "styles"}


@pytest.mark.parametrize("nothing", [None, [], [1, 2], ["x"] * 13])
def test_without_a_memory_the_form_stays_as_the_page_was_built(events: Txt2ImgEvents, nothing: Any) -> None:
    form = named(events.remembered(DEMO, nothing, DEMO, "a red circle", 128, 128))
    assert set(form) == {"styles", "followed", "suggestions"}
    assert "a blue star" in form["suggestions"]


def test_a_page_built_for_another_checkpoint_follows_when_it_is_opened(events: Txt2ImgEvents) -> None:
    form = named(events.remembered(DEMO, None, REAL, "", 512, 512))
    assert (form["prompt"], form["width"], form["height"], form["followed"]) == ("a red circle", 128, 128, DEMO)
    form = named(events.remembered(REAL, None, DEMO, "a red circle", 128, 128))
    assert (form["prompt"], form["width"], form["height"], form["suggestions"]) == ("", 512, 512, "")


def test_a_remembered_form_follows_the_checkpoint_that_was_chosen_meanwhile(events: Txt2ImgEvents) -> None:
    now = (DEMO, "a red circle", 128, 128)
    form = named(events.remembered(DEMO, memory(), *now))
    assert (form["prompt"], form["width"], form["height"]) == ("a cat", 128, 128)
    form = named(events.remembered(DEMO, memory(prompt="", width=640), *now))
    assert (form["prompt"], form["width"], form["height"]) == ("a red circle", 640, 512)
    form = named(events.remembered(REAL, memory(DEMO, prompt="a blue star", width=128, height=128), *now))
    assert (form["prompt"], form["width"], form["height"]) == ("", 512, 512)


def test_a_choice_changes_only_what_follows(events: Txt2ImgEvents) -> None:
    prompt, width, height, followed, suggestions = events.follow(REAL, DEMO, "a blue star", 128, 256)
    assert (prompt, width, height) == ("", unchanged(), unchanged())
    assert (followed, suggestions) == (REAL, "")
    assert events.follow(DEMO, DEMO, "", 128, 128) == [unchanged()] * 5  # a prompt that was emptied stays empty


def test_the_longest_form_of_a_prompt_that_changes_is_counted(events: Txt2ImgEvents) -> None:
    changing = "a [cat:big old dog:6]"
    long, _ = events.count(changing, "", [], 20)
    short, _ = events.count(changing, "", [], 5)
    half_typed, _ = events.count(changing, "", [], "")
    assert "4/75" in long
    assert "2/75" in short
    assert half_typed == long
