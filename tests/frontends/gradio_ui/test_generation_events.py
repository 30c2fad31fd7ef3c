"""The form when the page is opened and when the checkpoint changes, without a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules.core.errors import UnknownName
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.events import unchanged
from modules.frontends.gradio_ui.form import SAME_CHECKPOINT, TXT2IMG_FIELDS, defaults
from modules.frontends.gradio_ui.generation_events import TXT2IMG, GenerationEvents
from modules.frontends.gradio_ui.model_defaults import ModelDefaults
from tests.frontends.gradio_ui.page_server import make_backend, write_checkpoint

NAMES = tuple(field.name for field in TXT2IMG_FIELDS)
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
def events(backend: Backend) -> GenerationEvents:
    return GenerationEvents(backend, TXT2IMG)


def named(answer: list[Any]) -> dict[str, Any]:
    """Return an answer of `remembered` by name, without what stays as it is."""
    names = (*NAMES, "followed", "suggestions")
    return {name: value for name, value in zip(names, answer, strict=True) if value != unchanged()}


def memory(followed: str = REAL, **changes: Any) -> dict[str, Any]:
    return SUBMITTED | changes | {"followed": followed}


def test_the_form_is_remembered_with_the_styles_that_there_still_are(events: GenerationEvents) -> None:
    form = named(events.remembered(REAL, memory(), REAL, "", 512, 512))
    assert form.pop("styles").value == ["Photo"]
    assert (form.pop("followed"), form.pop("suggestions")) == (REAL, "")
    assert form.pop("hr_checkpoint").choices == [(SAME_CHECKPOINT, SAME_CHECKPOINT)]
    assert form.pop("refiner_checkpoint").choices == []
    assert form == {name: value for name, value in SUBMITTED.items() if name != "styles"}


@pytest.mark.parametrize("nothing", [None, [], ["x"] * 13, {"steps": "many"}, {"seed": []}])
def test_without_a_memory_the_form_stays_as_the_page_was_built(events: GenerationEvents, nothing: Any) -> None:
    form = named(events.remembered(DEMO, nothing, DEMO, "a red circle", 128, 128))
    assert set(form) == {"styles", "hr_checkpoint", "refiner_checkpoint", "followed", "suggestions"}
    assert "a blue star" in form["suggestions"]


def test_a_page_built_for_another_checkpoint_follows_when_it_is_opened(events: GenerationEvents) -> None:
    form = named(events.remembered(DEMO, None, REAL, "", 512, 512))
    assert (form["prompt"], form["width"], form["height"], form["followed"]) == ("a red circle", 128, 128, DEMO)
    form = named(events.remembered(REAL, None, DEMO, "a red circle", 128, 128))
    assert (form["prompt"], form["width"], form["height"], form["suggestions"]) == ("", 512, 512, "")


def test_a_remembered_form_follows_the_checkpoint_that_was_chosen_meanwhile(events: GenerationEvents) -> None:
    now = (DEMO, "a red circle", 128, 128)
    form = named(events.remembered(DEMO, memory(), *now))
    assert (form["prompt"], form["width"], form["height"]) == ("a cat", 128, 128)
    form = named(events.remembered(DEMO, memory(prompt="", width=640), *now))
    assert (form["prompt"], form["width"], form["height"]) == ("a red circle", 640, 512)
    form = named(events.remembered(REAL, memory(DEMO, prompt="a blue star", width=128, height=128), *now))
    assert (form["prompt"], form["width"], form["height"]) == ("", 512, 512)


def test_a_choice_changes_only_what_follows(events: GenerationEvents) -> None:
    prompt, width, height, followed, suggestions = events.follow(REAL, DEMO, "a blue star", 128, 256)
    assert (prompt, width, height) == ("", unchanged(), unchanged())
    assert (followed, suggestions) == (REAL, "")
    assert events.follow(DEMO, DEMO, "", 128, 128) == [unchanged()] * 5  # a prompt that was emptied stays empty


def test_the_longest_form_of_a_prompt_that_changes_is_counted(events: GenerationEvents) -> None:
    changing = "a [cat:big old dog:6]"
    long, _ = events.count(changing, "", [], 20)
    short, _ = events.count(changing, "", [], 5)
    half_typed, _ = events.count(changing, "", [], "")
    assert "4/75" in long
    assert "2/75" in short
    assert half_typed == long


INFOTEXT = """a cat
Negative prompt: dog
Steps: 12, Sampler: Euler a, CFG scale: 5, Seed: 9007199254740993, Size: 640x512, Clip skip: 2, Variation seed: 7, \
Variation seed strength: 0.2, Denoising strength: 0.4, Hires upscale: 1.5, Hires upscaler: Latent, Eta: 0.5"""


def pasted(events: GenerationEvents, text: str) -> dict[str, Any]:
    return {name: value for name, value in zip(NAMES, events.paste(text, ""), strict=True) if value != unchanged()}


def test_an_infotext_fills_the_form(events: GenerationEvents) -> None:
    form = pasted(events, INFOTEXT)
    assert form.pop("overrides").value == ["Clip skip: 2", "Eta DDIM: 0.5", "Eta: 0.5"]
    assert (form["prompt"], form["negative_prompt"], form["seed"]) == ("a cat", "dog", "9007199254740993")
    assert (form["steps"], form["width"], form["height"], form["sampler"]) == (12, 640, 512, "Euler a")
    assert (form["seed_extra"], form["subseed"], form["subseed_strength"]) == (True, "7", 0.2)
    assert (form["enable_hr"], form["hr_scale"], form["hr_denoising"]) == (True, 1.5, 0.4)
    assert form["enable_refiner"] is False
    assert form["hr_sampler"] == "Use same sampler"


def test_a_prompt_alone_changes_only_the_prompt(events: GenerationEvents) -> None:
    form = pasted(events, "a cat on a hill")
    assert (form.pop("prompt"), form.pop("negative_prompt")) == ("a cat on a hill", "")
    assert set(form) == {"styles", "hr_checkpoint", "refiner_checkpoint"}  # their choices alone


def test_what_an_infotext_says_of_settings_reaches_the_job(events: GenerationEvents, backend: Backend) -> None:
    form = defaults(TXT2IMG_FIELDS) | {"overrides": pasted(events, INFOTEXT)["overrides"].value}
    events.submit("one", *(form[name] for name in NAMES))
    settings = backend.jobs.state("one").job.settings
    assert (settings.CLIP_stop_at_last_layers, settings.eta_ancestral) == (2, 0.5)
    assert backend.settings.snapshot().CLIP_stop_at_last_layers == 1


def test_styles_are_put_into_the_prompts(events: GenerationEvents) -> None:
    assert events.apply_styles("a cat", "", ["Photo"]) == ("a cat, photo, 35mm", "drawing", [])


def test_the_size_of_the_second_pass_is_said(events: GenerationEvents) -> None:
    assert "from <b>512x512</b> to <b>1024x1024</b>" in events.hires_size(True, 512, 512, 2, 0, 0)
    assert "to <b>768x768</b>" in events.hires_size(True, 512, 512, 2, 768, 768)
    assert events.hires_size(False, 512, 512, 2, 0, 0) == ""
    assert events.hires_size(True, None, 512, 2, 0, 0) == ""
    assert events.hires_size(True, "5e400", 512, 2, 0, 0) == ""


def test_checkpoints_that_were_found_can_be_chosen(events: GenerationEvents, backend: Backend) -> None:
    write_checkpoint(backend.paths.data, "new.safetensors")
    backend.checkpoints.refresh()
    hires, refiner = events._checkpoint_choices(["hr_checkpoint", "refiner_checkpoint"])  # pyright: ignore[reportPrivateUsage]  # called by Gradio alone
    assert [value for _, value in hires.choices] == [SAME_CHECKPOINT, "new.safetensors"]
    assert [value for _, value in refiner.choices] == ["new.safetensors"]


def test_no_form_leads_out_of_the_data_folder(events: GenerationEvents, backend: Backend) -> None:
    form = defaults(TXT2IMG_FIELDS) | {"overrides": ["outdir_samples: /etc/evil"]}
    *_, log = events.submit("two", *(form[name] for name in NAMES))
    assert "outdir_samples" in log
    with pytest.raises(UnknownName):
        backend.jobs.state("two")
