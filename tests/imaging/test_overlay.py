from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.imaging.crop_region import Box
from modules.imaging.overlay import cut_out, masked_part, paste_back, uncrop
from tests.imaging.recorded_pictures import box, cases, noise_picture, picture, same


@pytest.mark.parametrize("case", cases("overlays"), ids=lambda case: str(case["region"]))
def test_pastes_back_as_recorded(case: Any) -> None:
    pasted = paste_back(picture(case["image"]), picture(case["overlay"]), box(case["region"]))
    assert same(pasted.picture, picture(case["result"]))
    assert same(pasted.repainted, picture(case["repainted"]))


def test_without_an_overlay_the_picture_stays_as_it_is() -> None:
    image = noise_picture(8, 8)
    pasted = paste_back(image, None, Box(2, 2, 4, 4))
    assert same(pasted.picture, image)
    assert same(pasted.repainted, image)


def test_nothing_changes_outside_the_mask() -> None:
    original, new = noise_picture(16, 16, 1), noise_picture(16, 16, 2)
    mask = Image.new("L", (16, 16))
    mask.paste(255, (4, 4, 12, 12))
    result = paste_back(new, cut_out(original, mask), None).picture
    expected = original.copy()
    expected.paste(new.crop((4, 4, 12, 12)), (4, 4))
    assert same(result, expected)


def test_a_region_larger_than_the_work_size_is_enlarged_by_the_upscaler() -> None:
    def red(image: Image.Image, _factor: float) -> Image.Image:
        return Image.new("RGB", (2 * image.width, 2 * image.height), (255, 0, 0))

    whole = uncrop(noise_picture(16, 16), (40, 40), Box(4, 4, 36, 36), red)
    assert whole.mode == "RGBA"
    assert whole.getpixel((20, 20)) == (255, 0, 0, 255)
    assert whole.getpixel((2, 2)) == (0, 0, 0, 0)


def test_the_masked_part_alone() -> None:
    image = noise_picture(8, 8)
    mask = Image.new("L", (8, 8))
    mask.paste(255, (0, 0, 4, 8))
    part = np.asarray(masked_part(image, mask))
    assert (part[:, :4, :3] == np.asarray(image)[:, :4]).all()
    assert (part[:, :4, 3] == 255).all()
    assert (part[:, 4:, 3] == 0).all()
