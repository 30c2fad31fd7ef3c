from typing import Any

import pytest
from PIL import Image

from modules.core.errors import InvalidRequest
from modules.imaging.tiles import combine_tiles, split_into_tiles
from tests.imaging.recorded_pictures import array, cases, noise_picture, picture, same


@pytest.mark.parametrize("case", cases("tiles"), ids=lambda case: case["combined"])
def test_splits_and_combines_as_recorded(case: Any) -> None:
    whole = picture(case["picture"])
    width, height = case["tile"]
    rows = split_into_tiles(whole, width, height, case["overlap"])
    assert [[row[0].top, [tile.left for tile in row]] for row in rows] == case["starts"]
    assert same(rows[-1][-1].image, picture(case["last"]))
    count = len(rows[0])
    changed = [
        [
            # The recording shifted the brightness of its tiles by -20, 0, 20, -20 … to show how they fade.
            tile.holding(tile.image.point(shift((row * count + column) % 3 * 20 - 20)))
            for column, tile in enumerate(tiles)
        ]
        for row, tiles in enumerate(rows)
    ]
    assert (array(case["combined"]) == combine_tiles(changed, whole.size, case["overlap"])).all()


def shift(amount: int) -> list[int]:
    return [min(max(value + amount, 0), 255) for value in range(256)] * 3


@pytest.mark.parametrize(("tile", "overlap"), [(32, 0), (32, 8), (40, 39)])
def test_unchanged_tiles_give_the_picture_back(tile: int, overlap: int) -> None:
    whole = noise_picture(70, 50)
    assert same(combine_tiles(split_into_tiles(whole, tile, tile, overlap), whole.size, overlap), whole)


@pytest.mark.parametrize("overlap", [-1, 32, 99])
def test_an_overlap_without_a_step_is_refused(overlap: int) -> None:
    with pytest.raises(InvalidRequest, match="Tiles of 32×48 px cannot overlap"):
        split_into_tiles(Image.new("RGB", (64, 64)), 32, 48, overlap)
