"""Reading the txt2img form: what is typed becomes a request, or a sentence that names the field."""

from typing import Any

import pytest

from modules.core.errors import EaselError
from modules.core.parameters import Txt2Img
from modules.frontends.gradio_ui.form import LABELS, read_form

FILLED: dict[str, Any] = {
    "prompt": "a red cat",
    "negative_prompt": "dog",
    "styles": ["Photo"],
    "sampler": "Euler a",
    "scheduler": "Karras",
    "steps": 30,
    "width": 640,
    "height": 512,
    "batch_count": 2,
    "batch_size": 4,
    "cfg_scale": 6.5,
    "seed": "123",
}


def test_every_field_reaches_the_request() -> None:
    assert list(FILLED) == list(LABELS)
    request = read_form(FILLED)
    assert request == Txt2Img.model_validate(FILLED | {"seed": 123})


@pytest.mark.parametrize(
    ("typed", "seed"), [("-1", -1), ("", -1), (" 42 ", 42), ("9007199254740993", 9007199254740993)]
)
def test_the_seed_is_read_exactly(typed: str, seed: int) -> None:
    assert read_form(FILLED | {"seed": typed}).seed == seed


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("width", 0, "Width: input should be greater than or equal to 8, not 0."),
        ("height", 8192, "Height: input should be less than or equal to 4096, not 8192."),
        ("width", None, "Width is empty: enter a value."),
        (
            "steps",
            20.5,
            "Sampling steps: input should be a valid integer, got a number with a fractional part, not 20.5.",
        ),
        ("steps", 10**6, "Sampling steps: input should be less than or equal to 1000, not 1000000."),
        ("cfg_scale", float("nan"), "CFG Scale: input should be a finite number, not nan."),
        ("seed", "abc", "Seed: enter a whole number, or -1 for a random one, not abc."),
        ("sampler", "Eulr", "Sampler not found: “Eulr”."),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: object, sentence: str) -> None:
    with pytest.raises(EaselError) as refused:
        read_form(FILLED | {name: value})
    assert str(refused.value).startswith(sentence)


def test_a_long_value_is_not_repeated_in_full() -> None:
    with pytest.raises(EaselError) as refused:
        read_form(FILLED | {"prompt": "x" * 100_000})
    assert str(refused.value).startswith("Prompt: ")
    assert "(100000 characters)" in str(refused.value)
    assert len(str(refused.value)) < 200
