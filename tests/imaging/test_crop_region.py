from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import InvalidRequest
from modules.imaging.crop_region import Box, crop_region, expand_crop_region
from tests.imaging.recorded_pictures import cases


def mask_with(size: tuple[int, int], boxes: list[Any], value: int) -> Image.Image:
    pixels = np.zeros(size[::-1], dtype=np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = value
    return Image.fromarray(pixels)


@pytest.mark.parametrize("case", cases("crop_regions"), ids=lambda case: f"{case['boxes']}-{case['padding']}")
def test_regions_as_recorded(case: Any) -> None:
    mask = mask_with(case["size"], case["boxes"], case["value"])
    region = crop_region(mask, case["padding"])
    assert region is not None
    assert list(region) == case["region"]
    for work_size, expanded in case["expanded"]:
        assert list(expand_crop_region(region, tuple(work_size), mask.size)) == expanded


@pytest.mark.parametrize("case", cases("expanded"), ids=lambda case: str(case[0]))
def test_expands_as_recorded(case: Any) -> None:
    region, work_size, picture_size, expanded = case
    assert list(expand_crop_region(Box(*region), tuple(work_size), tuple(picture_size))) == expanded


def test_an_empty_mask_has_no_region() -> None:
    assert crop_region(Image.new("L", (64, 64)), 100) is None


def test_padding() -> None:
    mask = mask_with((64, 64), [[10, 10, 12, 12]], 1)
    assert crop_region(mask, 10**9) == (0, 0, 64, 64)
    with pytest.raises(InvalidRequest, match="padding around the masked area is -1 px"):
        crop_region(mask, -1)
