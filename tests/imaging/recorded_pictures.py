"""Pictures recorded from A1111, kept in `tests/data/imaging/pictures.{json,npz}`."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modules.imaging.crop_region import Box
from tests.imaging.recordings import DATA, recorded


@cache
def _content() -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    with np.load(DATA / "pictures.npz") as arrays:
        return recorded("pictures"), {name: arrays[name] for name in arrays.files}


def cases(topic: str) -> list[Any]:
    """Return the cases of a topic of `pictures.json`."""
    return _content()[0][topic]


def array(name: str) -> NDArray[Any]:
    """Return a recorded array."""
    return _content()[1][name]


def picture(name: str) -> Image.Image:
    """Return a recorded picture; its channels tell its mode."""
    return Image.fromarray(array(name))


def box(region: Sequence[int] | None) -> Box | None:
    """Return a recorded rectangle."""
    return None if region is None else Box(*region)


def noise_picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return an RGB picture in which no two places are alike."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def same(image: Image.Image, expected: Image.Image) -> bool:
    """Return whether two pictures agree in mode, size and every value."""
    return image.mode == expected.mode and image.size == expected.size and image.tobytes() == expected.tobytes()
