from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.imaging.grid import grid_rows, image_grid
from tests.imaging.recordings import recorded


@pytest.mark.parametrize("case", recorded("grids")["cases"], ids=lambda case: f"{case[:3]}")
def test_arranged_as_recorded(case: Any) -> None:
    count, batch_size, n_rows, size, cells = case
    images = [Image.new("RGB", (3, 2), (number, 0, 0)) for number in range(1, count + 1)]
    grid = image_grid(images, grid_rows(count, batch_size, n_rows))
    assert grid.mode == "RGB"
    assert list(grid.size) == size
    assert np.asarray(grid)[::2, ::3, 0].tolist() == cells
    assert np.asarray(grid)[1::2, 2::3, 0].tolist() == cells


@pytest.mark.parametrize("case", recorded("grids")["without_empty_spots"], ids=lambda case: str(case[0]))
def test_without_empty_spots_as_recorded(case: Any) -> None:
    count, size, cells = case
    images = [Image.new("RGB", (3, 2), (number, 0, 0)) for number in range(1, count + 1)]
    grid = image_grid(images, grid_rows(count, 1, -1, prevent_empty_spots=True))
    assert list(grid.size) == size
    assert np.asarray(grid)[::2, ::3, 0].tolist() == cells


def test_a_given_number_of_rows_is_kept_even_with_empty_spots() -> None:
    assert grid_rows(5, 1, 3, prevent_empty_spots=True) == 3


@pytest.mark.parametrize("n_rows", [-1, 0, 20])
def test_there_is_always_a_row(n_rows: int) -> None:
    assert grid_rows(1, 8, n_rows) == 1


def test_smaller_pictures_are_centred_on_black() -> None:
    large, small = Image.new("RGB", (4, 4), "white"), Image.new("RGB", (2, 2), "white")
    grid = np.asarray(image_grid([large, small], 1))[..., 0]
    expected = np.zeros((4, 8), dtype=np.uint8)
    expected[:, :4] = 255
    expected[1:3, 5:7] = 255
    assert (grid == expected).all()
