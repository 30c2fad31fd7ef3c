from typing import Any

import pytest

from modules.core.errors import InvalidRequest
from modules.imaging.hires_size import HiresSize, hires_size, old_hires_size
from tests.imaging.recorded_pictures import cases


def listed(size: HiresSize) -> list[Any]:
    rows, columns = size.window
    return [
        size.first_width,
        size.first_height,
        size.upscaled_width,
        size.upscaled_height,
        size.truncate_x,
        size.truncate_y,
        [rows.start, rows.stop],
        [columns.start, columns.stop],
    ]


@pytest.mark.parametrize("case", cases("hires"), ids=lambda case: str(case[0]))
def test_sizes_as_recorded(case: Any) -> None:
    (width, height, scale, resize_width, resize_height), expected = case
    size = hires_size(width, height, scale=scale, resize_width=resize_width, resize_height=resize_height)
    assert listed(size) == expected


@pytest.mark.parametrize("case", cases("old_hires"), ids=lambda case: str(case[0]))
def test_old_sizes_as_recorded(case: Any) -> None:
    assert listed(old_hires_size(*case[0])) == case[1]


def test_the_finished_picture_has_whole_latents() -> None:
    size = hires_size(64, 64, scale=1.3)
    assert (size.upscaled_width, size.final_width, size.final_height) == (83, 80, 80)
    cut = hires_size(512, 512, resize_width=1024, resize_height=768)
    assert (cut.final_width, cut.final_height) == (1024, 768)


@pytest.mark.parametrize("wanted", [{"scale": 0.0}, {"scale": 0.01}, {"resize_width": 7}, {"resize_height": 3}])
def test_a_size_without_pixels_is_refused(wanted: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"Hires\. fix would make a picture of 0×0 px"):
        hires_size(512, 512, **wanted)
