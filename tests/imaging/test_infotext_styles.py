from typing import Any

import pytest

from modules.imaging.infotext_styles import extract_styles, separate_styles, without_part
from modules.prompting.styles import Style, apply_styles
from tests.imaging.recordings import recorded

RECORDED = recorded("infotext_styles")


@pytest.mark.parametrize(("part", "prompt", "left"), RECORDED["parts"])
def test_takes_out_what_a1111_takes_out(part: str, prompt: str, left: str | None) -> None:
    assert without_part(part, prompt) == left


@pytest.mark.parametrize("case", RECORDED["whole"], ids=lambda case: repr(case["prompts"]))
def test_finds_what_a1111_finds(case: Any) -> None:
    styles = [Style(name=name, prompt=part, negative_prompt=negative) for name, part, negative in case["styles"]]
    names, prompt, negative_prompt = extract_styles(styles, *case["prompts"])
    assert [list(names), prompt, negative_prompt] == case["found"]


def test_finds_what_was_merged_in_its_order() -> None:
    styles = [
        Style(name="photo", prompt="photo of {prompt}, sharp", negative_prompt="blurry"),
        Style(name="oil", prompt="oil painting", negative_prompt=""),
        Style(name="unused", prompt="watercolour", negative_prompt=""),
    ]
    chosen = [styles[1], styles[0]]
    prompt = apply_styles("a cat", [style.prompt for style in chosen])
    negative_prompt = apply_styles("bad", [style.negative_prompt for style in chosen])
    assert extract_styles(styles, prompt, negative_prompt) == (("oil", "photo"), "a cat", "bad")


def test_without_the_option_nothing_is_touched() -> None:
    styles = [Style(name="oil", prompt="oil painting", negative_prompt="")]
    said = {"Prompt": "a cat, oil painting", "Negative prompt": ""}
    assert separate_styles(said, styles, "Ignore") == (said, None)
    assert separate_styles(said, styles, "Apply") == ({"Prompt": "a cat", "Negative prompt": ""}, ("oil",))
