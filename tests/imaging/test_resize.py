from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from modules.core.errors import InvalidRequest
from modules.imaging.resize import ResizeMode, resize_image
from modules.imaging.upscale import BUILT_IN_UPSCALERS
from tests.imaging.recorded_pictures import cases, noise_picture, picture, same


@pytest.mark.parametrize("case", cases("resizes"), ids=lambda case: case["result"])
def test_resizes_as_recorded(case: Any) -> None:
    expected = picture(case["result"])
    assert same(resize_image(picture(case["picture"]), *expected.size, ResizeMode(case["mode"])), expected)


@pytest.mark.parametrize("case", cases("upscales"), ids=lambda case: case["upscaler"])
def test_enlarges_with_an_upscaler_as_recorded(case: Any) -> None:
    expected = picture(case["result"])
    upscaler = BUILT_IN_UPSCALERS[case["upscaler"]]
    assert same(resize_image(picture(case["picture"]), *expected.size, ResizeMode.JUST_RESIZE, upscaler), expected)


def test_masks_and_pictures_that_shrink_never_go_through_the_upscaler() -> None:
    def refuse(_image: Image.Image, _factor: float) -> Image.Image:
        raise AssertionError

    mask = Image.new("L", (16, 16))
    assert resize_image(mask, 64, 64, ResizeMode.JUST_RESIZE, refuse).size == (64, 64)
    large = noise_picture(64, 48)
    small = resize_image(large, 64, 24, ResizeMode.JUST_RESIZE, refuse)
    assert same(small, large.resize((64, 24), Resampling.LANCZOS))


def test_crop_covers_the_area_with_the_middle_of_the_picture() -> None:
    image = noise_picture(30, 10)
    assert same(resize_image(image, 10, 10, ResizeMode.CROP_AND_RESIZE), image.crop((10, 0, 20, 10)))


def test_fill_stretches_the_outermost_lines() -> None:
    left, right = noise_picture(1, 30, 1), noise_picture(1, 30, 2)
    image = Image.new("RGB", (10, 30))
    image.paste(left.resize((5, 30)), (0, 0))
    image.paste(right.resize((5, 30)), (5, 0))
    filled = resize_image(image, 30, 30, ResizeMode.RESIZE_AND_FILL)
    assert same(filled.crop((0, 0, 15, 30)), left.resize((15, 30)))
    assert same(filled.crop((15, 0, 30, 30)), right.resize((15, 30)))


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1)])
@pytest.mark.parametrize("mode", list(ResizeMode))
def test_the_thinnest_pictures_are_resized(size: tuple[int, int], mode: ResizeMode) -> None:
    result = np.asarray(resize_image(Image.new("RGB", size, (9, 8, 7)), 32, 16, mode))
    assert (result == [9, 8, 7]).all()
    assert result.shape == (16, 32, 3)


def test_a_crop_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="1×60000 px is too thin to be cropped to 1024×1024"):
        resize_image(Image.new("RGB", (1, 60_000)), 1024, 1024, ResizeMode.CROP_AND_RESIZE)
