"""The overview picture of a job: all its pictures in rows and columns, arranged as A1111 does."""

import math
from collections.abc import Sequence

from PIL import Image

NEAR_SQUARE = -1
BATCH_SIZE = 0


def grid_rows(count: int, batch_size: int, n_rows: int, *, prevent_empty_spots: bool = False) -> int:
    """Return the number of rows for `count` pictures.

    Args:
        count: how many pictures there are, at least 1.
        batch_size: how many were sampled together.
        n_rows: the setting: `NEAR_SQUARE`, `BATCH_SIZE` (one row for each place in the batch), or a number of rows.
        prevent_empty_spots: near-square only as far as every cell is filled (A1111's `grid_prevent_empty_spots`).
    """
    if n_rows == NEAR_SQUARE and prevent_empty_spots:
        rows = next(rows for rows in range(math.isqrt(count), 0, -1) if count % rows == 0)
    elif n_rows == NEAR_SQUARE:
        rows = round(math.sqrt(count))
    elif n_rows == BATCH_SIZE:
        rows = batch_size
    else:
        rows = n_rows
    return max(1, min(rows, count))


def image_grid(images: Sequence[Image.Image], rows: int) -> Image.Image:
    """Return an RGB picture of all `images`, row by row, on black.

    Args:
        images: at least one. The largest width and height decide the cells' size; smaller pictures are centred.
        rows: from `grid_rows`; columns are as many as are needed.
    """
    columns = math.ceil(len(images) / rows)
    width = max(image.width for image in images)
    height = max(image.height for image in images)
    grid = Image.new("RGB", (columns * width, rows * height), "black")
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left = column * width + (width - image.width) // 2
        top = row * height + (height - image.height) // 2
        grid.paste(image, (left, top))
    return grid
