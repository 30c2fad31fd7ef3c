"""The form follows the checkpoint, and never overwrites what a person entered."""

import re
from typing import Any

import pytest

from modules.frontends.gradio_ui.model_defaults import Followers, ModelDefaults, follow, suggestions_html
from modules.library.checkpoint_info import CheckpointInfo, Size

DEMO = ModelDefaults(width=128, height=128, prompts=("a red circle", "a blue star", "green hills"))
REAL = ModelDefaults()
WIDE = ModelDefaults(width=768, height=512)


def test_what_a_checkpoint_puts_into_the_form() -> None:
    info = CheckpointInfo(size=Size(128, 256), demo=True, prompts=("a", "b"))
    assert ModelDefaults.of(info) == ModelDefaults(width=128, height=256, prompts=("a", "b"))
    assert ModelDefaults.of(info).prompt == "a"
    assert ModelDefaults.of(CheckpointInfo(prompts=("a", "b"))) == REAL
    assert (REAL.width, REAL.height, REAL.prompt) == (512, 512, "")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"width": "wide"}', "null", 512, ["a"]])
def test_what_a_browser_sends_instead_says_nothing(text: Any) -> None:
    assert ModelDefaults.from_json(DEMO.to_json()) == DEMO
    assert ModelDefaults.from_json(text) == ModelDefaults()


@pytest.mark.parametrize(
    ("form", "before", "now", "changes"),
    [
        # The size follows in both directions, together.
        (("cat", 128, 128), DEMO, REAL, {"width": 512, "height": 512}),
        (("cat", 512, 512), REAL, DEMO, {"width": 128, "height": 128}),
        (("cat", 512, 512), REAL, WIDE, {"width": 768}),
        # A person's own size stays.
        (("cat", 512, 128), DEMO, REAL, {}),
        (("cat", 512, 512), DEMO, WIDE, {}),
        (("cat", 512, 768), WIDE, REAL, {}),
        (("cat", None, 512), REAL, DEMO, {}),
        # A suggestion leaves with the model that made it, and comes into an empty box.
        (("a red circle", 64, 64), DEMO, REAL, {"prompt": ""}),
        (("green hills", 64, 64), DEMO, REAL, {"prompt": ""}),
        (("green hills", 64, 64), DEMO, WIDE.model_copy(update={"prompts": ("green hills",)}), {}),
        (("green hills at night", 64, 64), DEMO, REAL, {}),
        (("", 64, 64), REAL, DEMO, {"prompt": "a red circle"}),
        ((" \n", 64, 64), REAL, DEMO, {"prompt": "a red circle"}),
        ((None, 64, 64), REAL, DEMO, {"prompt": "a red circle"}),
        (("cat", 64, 64), REAL, DEMO, {}),
        # What stays is not sent.
        (("a red circle", 128, 128), DEMO, DEMO, {}),
        (("", 512, 512), REAL, REAL, {}),
    ],
)
def test_following(form: Any, before: ModelDefaults, now: ModelDefaults, changes: dict[str, object]) -> None:
    assert follow(Followers(*form), before, now) == changes


def test_suggestions_are_buttons_for_all_prompts_but_the_first() -> None:
    markup = suggestions_html(DEMO)
    assert re.findall(r">([^<]+)</button>", markup) == ["a blue star", "green hills"]
    assert suggestions_html(REAL) == suggestions_html(ModelDefaults(prompts=("a",))) == ""


def test_markup_in_a_suggestion_stays_text() -> None:
    markup = suggestions_html(ModelDefaults(prompts=("a", '"><img src=x>')))
    assert "<img" not in markup
    assert markup.count("&quot;&gt;&lt;img src=x&gt;") == 3
