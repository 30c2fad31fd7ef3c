from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.imaging.masked_fill import masked_fill
from tests.imaging.recorded_pictures import cases, noise_picture, picture, same


@pytest.mark.parametrize("case", cases("fills"), ids=lambda case: case["result"])
def test_fills_as_recorded(case: Any) -> None:
    assert same(masked_fill(picture(case["picture"]), picture(case["mask"])), picture(case["result"]))


def test_keeps_what_is_not_masked_and_takes_its_colour() -> None:
    image = Image.new("RGB", (64, 64), (10, 200, 30))
    image.paste((255, 0, 0), (16, 16, 48, 48))
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    filled = np.asarray(masked_fill(image, mask)).astype(int)
    assert np.abs(filled - [10, 200, 30]).max() <= 5  # the widest blurs are faint, so their colours are rough


def test_all_masked_is_black() -> None:
    filled = masked_fill(noise_picture(16, 16), Image.new("L", (16, 16), 255))
    assert filled.getextrema() == ((0, 0), (0, 0), (0, 0))
