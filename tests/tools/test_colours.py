from random import Random

import pytest
from PIL import Image

from tools.demo_model import colours
from tools.demo_model.draw import draw
from tools.demo_model.world import BASICS, COLOURS, ShapeScene, random_scene


def test_the_colours_of_drawn_pictures_are_read() -> None:
    random = Random("colours")
    for _ in range(60):
        scene = random_scene(random, BASICS)
        assert isinstance(scene, ShapeScene)
        picture = draw(scene, 80, 64)
        figure = colours.foreground(picture)
        assert figure is not None, scene
        assert (colours.nearest(figure), colours.nearest(colours.background(picture))) == (
            scene.figures[0].colour,
            scene.background,
        )


def test_an_empty_picture_has_no_figure() -> None:
    picture = Image.new("RGB", (64, 64), COLOURS["green"])
    picture.putpixel((30, 30), COLOURS["red"])
    assert colours.foreground(picture) is None


@pytest.mark.parametrize("name", COLOURS)
def test_named_colours_are_nearest_to_themselves(name: str) -> None:
    assert colours.nearest(COLOURS[name]) == name
    assert colours.distance(COLOURS[name], name) == 0


def test_the_way_between_two_colours() -> None:
    red, blue = COLOURS["red"], COLOURS["blue"]
    middle = tuple((a + b) / 2 for a, b in zip(red, blue, strict=True))
    assert [colours.between(colour, "red", "blue") for colour in (red, middle, blue)] == pytest.approx([0, 0.5, 1])
