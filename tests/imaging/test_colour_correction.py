from typing import Any

import numpy as np
from PIL import Image

from modules.imaging.colour_correction import correct_colours
from tests.imaging.recorded_pictures import cases, noise_picture, picture, same


def test_corrects_as_recorded() -> None:
    case: Any = cases("colour_correction")
    corrected = correct_colours(picture(case["picture"]), picture(case["reference"]))
    assert same(corrected, picture(case["result"]))


def smooth(seed: int) -> Image.Image:
    return Image.blend(noise_picture(6, 6, seed).resize((48, 48)), Image.new("RGB", (48, 48), "gray"), 0.3)


def test_a_picture_corrected_by_itself_stays() -> None:
    image = smooth(1)
    assert np.abs(np.asarray(correct_colours(image, image)).astype(int) - np.asarray(image)).max() <= 3


def test_takes_the_colours_and_keeps_the_light() -> None:
    image = smooth(1)
    reddish = Image.blend(smooth(2), Image.new("RGB", (48, 48), (200, 90, 80)), 0.8)
    corrected = np.asarray(correct_colours(image, reddish)).astype(float)
    weights = (0.299, 0.587, 0.114)
    assert np.abs((corrected - np.asarray(image)) @ weights).max() < 1.5
    assert corrected[..., 0].mean() > corrected[..., 2].mean() + 40


def test_pictures_of_one_colour_and_of_other_sizes() -> None:
    for colour in ("black", "white", "red"):
        flat = Image.new("RGB", (5, 3), colour)
        assert correct_colours(flat, smooth(3)).size == (5, 3)
        assert correct_colours(smooth(3), flat).size == (48, 48)
