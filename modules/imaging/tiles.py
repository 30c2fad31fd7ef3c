"""Cutting a picture into overlapping tiles and putting it together again, for work that needs small pictures."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.core.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A part of a picture.

    Attributes:
        left: px from the picture's left edge; negative if the tile is wider than the picture.
        top: px from the picture's upper edge, likewise.
        image: the part itself, all of one size.
    """

    left: int
    top: int
    image: Image.Image

    def holding(self, image: Image.Image) -> "Tile":
        """Return this place with another picture in it."""
        return replace(self, image=image)


def split_into_tiles(image: Image.Image, width: int, height: int, overlap: int) -> list[list[Tile]]:
    """Return rows of tiles that cover `image` with equal steps, and overlap by `overlap` px or more.

    Args:
        image: any mode.
        width: px of a tile.
        height: px of a tile.
        overlap: px, less than either side of a tile.

    Raises:
        InvalidRequest: the overlap leaves no step from one tile to the next.
    """
    if not 0 <= overlap < min(width, height):
        raise InvalidRequest(f"Tiles of {width}×{height} px cannot overlap by {overlap} px: choose less.")
    lefts = _starts(image.width, width, overlap)
    return [
        [Tile(left=left, top=top, image=image.crop((left, top, left + width, top + height))) for left in lefts]
        for top in _starts(image.height, height, overlap)
    ]


def combine_tiles(rows: list[list[Tile]], size: tuple[int, int], overlap: int) -> Image.Image:
    """Return the RGB picture of `size` (width, height) that was split into `rows`; overlaps fade into each other."""
    result = Image.new("RGB", size)
    for row in rows:
        top, height = row[0].top, row[0].image.height
        strip = Image.new("RGB", (size[0], height))
        for tile in row:
            across = _fade(overlap)[None, :].repeat(height, axis=0)
            _paste_faded(strip, tile.image, (tile.left, 0), across if tile.left else None)
        down = _fade(overlap)[:, None].repeat(size[0], axis=1)
        _paste_faded(result, strip, (0, top), down if top else None)
    return result


def _paste_faded(
    below: Image.Image, image: Image.Image, place: tuple[int, int], fade: NDArray[np.uint8] | None
) -> None:
    """Paste `image`; where `fade` [h, w] covers its beginning, this is mixed into what is there already."""
    mask = np.full((image.height, image.width), 255, dtype=np.uint8)
    if fade is not None:
        mask[: fade.shape[0], : fade.shape[1]] = fade
    below.paste(image, place, mask=Image.fromarray(mask))


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    count = max(1, math.ceil((length - overlap) / (tile - overlap)))
    step = (length - tile) / (count - 1) if count > 1 else 0
    return [min(int(number * step), length - tile) for number in range(count)]


def _fade(overlap: int) -> NDArray[np.uint8]:
    """Return the share of the later tile in an overlap, 0..255."""
    return (np.arange(overlap) * 255 / max(1, overlap)).astype(np.uint8)
