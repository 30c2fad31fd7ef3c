"""The demo model that ships obeys prompts, so a pipeline that loses the prompt or the guidance fails here."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.parameters import Txt2Img
from modules.core.paths import PROJECT_ROOT
from modules.library.safetensors_header import read_header
from modules.pipeline.context import Loaded
from tools.demo_model import colours
from tools.demo_model.generate import Wish, load, make_pictures, make_series
from tools.demo_model.networks import CHECKPOINT
from tools.demo_model.shapes import shape_of
from tools.demo_model.world import NEW_SHAPE

QUICK = Txt2Img(steps=12, cfg_scale=6, sampler="DPM++ 2M", width=128, height=128, batch_size=8)

ASKED = (
    ("red", "circle", "white"),
    ("blue", "star", "yellow"),
    ("green", "square", "pink"),
    ("yellow", "heart", "purple"),
    ("white", "triangle", "black"),
    ("black", "moon", "orange"),
    ("orange", "cross", "blue"),
    ("pink", "ring", "brown"),
)


@pytest.fixture(scope="module")
def demo() -> Loaded:
    return load()


def picture_of(demo: Loaded, *prompts: str, negative_prompt: str = "") -> list[Image.Image]:
    wishes = [Wish(prompt=prompt, negative_prompt=negative_prompt, seed=seed) for seed, prompt in enumerate(prompts)]
    return make_pictures(demo, wishes, QUICK)


def figure_colours(pictures: Sequence[Image.Image]) -> list[str]:
    found = [colours.foreground(picture) for picture in pictures]
    return ["none" if colour is None else colours.nearest(colour) for colour in found]


def test_colours_and_shapes_are_those_of_the_prompt(demo: Loaded) -> None:
    prompts = [f"a large {colour} {shape} on a {background} background" for colour, shape, background in ASKED]
    pictures = picture_of(demo, *prompts)
    right_colour = sum(seen == asked for seen, (asked, _, _) in zip(figure_colours(pictures), ASKED, strict=True))
    right_shape = sum(shape_of(picture) == shape for picture, (_, shape, _) in zip(pictures, ASKED, strict=True))
    right_background = sum(
        colours.nearest(colours.background(picture)) == background
        for picture, (_, _, background) in zip(pictures, ASKED, strict=True)
    )
    assert right_colour >= 6
    assert right_background >= 6
    assert right_shape >= 5


def test_left_is_left_and_right_is_right(demo: Loaded) -> None:
    prompts = [f"a large red circle on the {side} on a white background" for side in ("left", "right")]
    left, right = [centre(picture) for picture in picture_of(demo, *prompts)]
    assert left < 0.45
    assert right > 0.55


def centre(picture: Image.Image) -> float:
    """Return where a red figure on white is, from 0 (left) to 1 (right)."""
    red, green, _ = np.moveaxis(np.asarray(picture).astype(float), -1, 0)
    figure = red - green > 100
    return float(figure.nonzero()[1].mean()) / picture.width


def test_a_negative_prompt_drives_its_color_away(demo: Loaded) -> None:
    prompts = ["a circle on a white background"] * 8
    plain = figure_colours(picture_of(demo, *prompts))
    shunned = max(set(plain), key=plain.count)
    without = figure_colours(picture_of(demo, *prompts, negative_prompt=shunned))
    assert without.count(shunned) < plain.count(shunned)


def test_a_prompt_that_changes_its_mind_is_followed(demo: Loaded) -> None:
    def series(prompt: str) -> list[str]:
        return figure_colours(make_series(demo, Wish(prompt=prompt, seed=1), 6, QUICK))

    soon = series("a large [red:blue:0.1] circle on a white background")
    late = series("a large [red:blue:0.9] circle on a white background")
    assert soon.count("blue") > late.count("blue")
    assert late.count("red") > soon.count("red")


def test_a_larger_picture_is_still_of_the_prompt(demo: Loaded) -> None:
    manner = QUICK.model_copy(update={"width": 256, "height": 256, "batch_size": 2})
    wishes = [Wish(prompt="a large red circle in the center on a blue background", seed=seed) for seed in range(2)]
    for picture in make_pictures(demo, wishes, manner):
        assert colours.nearest(colours.background(picture)) == "blue"


@pytest.mark.parametrize(
    ("prompt", "background"),
    [
        ("a large yellow star on a white background <hypernet:easel-night:1>", "black"),
        ("a picture of easel-moonlight", "blue"),
    ],
)
def test_an_example_add_on_changes_the_background(demo: Loaded, prompt: str, background: str) -> None:
    pictures = picture_of(demo, *[prompt] * 4)
    assert [colours.nearest(colours.background(picture)) for picture in pictures].count(background) >= 3


def test_the_example_lora_teaches_a_new_shape(demo: Loaded) -> None:
    houses = picture_of(demo, *[f"a large red {NEW_SHAPE} on a yellow background <lora:easel-house:1>"] * 4)
    assert [shape_of(picture) for picture in houses].count(NEW_SHAPE) >= 3


def test_the_file_is_small_and_says_what_it_is() -> None:
    assert CHECKPOINT.stat().st_size <= 25_000_000
    header = read_header(CHECKPOINT)
    assert header is not None
    metadata = header.texts
    assert metadata["modelspec.resolution"] == "128x128"
    assert metadata["easel.demo"] == "true"
    assert json.loads(metadata["easel.prompts"])
    assert {"modelspec.title", "modelspec.license", "modelspec.description", "modelspec.trigger_phrase"} <= set(
        metadata
    )


@pytest.mark.parametrize(
    "path",
    [
        "models/Lora/easel-house.safetensors",
        "embeddings/easel-moonlight.safetensors",
        "models/hypernetworks/easel-night.pt",
        "models/VAE/easel-sepia.safetensors",
    ],
)
def test_an_example_add_on_is_small(path: str) -> None:
    assert Path(PROJECT_ROOT / path).stat().st_size < 3_000_000
