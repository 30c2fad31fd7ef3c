"""“Only masked”: the part of the picture that is worked on, as a rectangle around the mask."""

from typing import NamedTuple

from PIL import Image

from modules.core.errors import InvalidRequest


class Box(NamedTuple):
    """A rectangle in px, as Pillow writes it: `right` and `bottom` lie just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Px."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Px."""
        return self.bottom - self.top


def crop_region(mask: Image.Image, padding: int) -> Box | None:
    """Return the box around everything in `mask` that is not black, or None if all is black.

    Args:
        mask: mode L.
        padding: px by which the box is widened on each side, as far as the picture goes; at least 0.

    Raises:
        InvalidRequest: `padding` is negative.
    """
    if padding < 0:
        raise InvalidRequest(f"The padding around the masked area is {padding} px: choose 0 or more.")
    found = mask.getbbox()
    if found is None:
        return None
    left, top, right, bottom = found
    return Box(
        max(left - padding, 0),
        max(top - padding, 0),
        min(right + padding, mask.width),
        min(bottom + padding, mask.height),
    )


def expand_crop_region(box: Box, work_size: tuple[int, int], picture_size: tuple[int, int]) -> Box:
    """Return `box` made wider or higher, so that it has the shape of the work size as far as the picture allows.

    Args:
        box: not empty.
        work_size: width and height in px at which the box will be sampled.
        picture_size: width and height in px of the picture that holds the box.
    """
    shape = work_size[0] / work_size[1]
    if box.width / box.height > shape:
        missing = int(box.width / shape - box.height)
        top, bottom = _grow(box.top, box.bottom, missing, picture_size[1])
        return Box(box.left, top, box.right, bottom)
    missing = int(box.height * shape - box.width)
    left, right = _grow(box.left, box.right, missing, picture_size[0])
    return Box(left, box.top, right, box.bottom)


def _grow(start: int, end: int, missing: int, limit: int) -> tuple[int, int]:
    """Add `missing` px on both sides; what stands out of 0..`limit` is added on the other side if there is room."""
    start -= missing // 2
    end += missing - missing // 2
    if end > limit:
        start, end = start - (end - limit), limit
    if start < 0:
        start, end = 0, end - start
    return start, min(end, limit)
