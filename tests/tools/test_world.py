"""The demo model's world: scenes, pictures and words agree with each other."""

from random import Random

import numpy as np
import pytest

from tools.demo_model.captions import caption
from tools.demo_model.draw import draw
from tools.demo_model.world import (
    BASICS,
    COLOURS,
    NEW_SHAPE,
    SHAPES,
    SIZES,
    Figure,
    LandscapeScene,
    Mixture,
    ShapeScene,
    random_scene,
)


def area(scene: ShapeScene) -> float:
    picture = np.asarray(draw(scene, 128, 128), np.int16)
    return float((np.abs(picture - picture[0, 0]).sum(2) > 60).mean())


def test_the_same_seed_draws_the_same_scene_caption_and_picture() -> None:
    first, second = (random_scene(Random(5)) for _ in range(2))
    assert first == second
    assert caption(first, Random(1)) == caption(second, Random(1))
    assert draw(first, 128, 128).tobytes() == draw(second, 128, 128).tobytes()


@pytest.mark.parametrize("size", [(128, 128), (192, 128), (256, 320), (64, 64)])
def test_every_scene_can_be_drawn_at_every_size(size: tuple[int, int]) -> None:
    random = Random(3)
    for _ in range(40):
        assert draw(random_scene(random), *size).size == size


@pytest.mark.parametrize("shape", [*SHAPES, NEW_SHAPE])
def test_a_figure_has_its_colour_before_its_background(shape: str) -> None:
    for size in SIZES:
        scene = ShapeScene(figures=(Figure(shape=shape, colour="red", size=size),), background="white")
        pixels = np.asarray(draw(scene, 128, 128)).reshape(-1, 3)
        levels = {tuple(int(level) for level in pixel) for pixel in pixels}
        assert {COLOURS["red"], COLOURS["white"]} <= levels
        assert 0.01 < area(scene) < 0.5


def test_a_line_drawing_is_mostly_background() -> None:
    for shape in ("circle", "square", "triangle", "star", "heart", "cross", "moon"):
        figures = (Figure(shape=shape, colour="black"),)
        whole = area(ShapeScene(figures=figures, background="white"))
        assert area(ShapeScene(figures=figures, background="white", style="line drawing")) < 0.75 * whole


def test_a_caption_that_names_a_colour_names_the_right_one() -> None:
    random = Random(7)
    for _ in range(500):
        scene = random_scene(random, Mixture(landscapes=0))
        assert isinstance(scene, ShapeScene)
        said = set(caption(scene, random).lower().replace(",", "").split()) & set(COLOURS)
        assert said <= {scene.background, *(figure.colour for figure in scene.figures)}


def test_the_figure_is_never_of_the_backgrounds_colour() -> None:
    random = Random(9)
    for _ in range(300):
        scene = random_scene(random, BASICS)
        assert isinstance(scene, ShapeScene)
        assert all(figure.colour != scene.background for figure in scene.figures)


def test_a_landscape_is_darker_by_night() -> None:
    def brightness(time: str) -> float:
        return float(
            np.asarray(draw(LandscapeScene(land="sea", time=time, place="left", trees=True, seed=1), 128, 128)).mean()
        )

    assert brightness("night") < brightness("sunset") < brightness("day")
