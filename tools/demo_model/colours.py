"""Colours read from the pixels of a picture of one figure, without a network: a check on the classifier."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from tools.demo_model.world import COLOURS

Colour = npt.NDArray[np.float64]
"""[3], 0..255."""

BORDER = 24  # the frame that belongs to the background is a 24th of the shorter side wide
DIFFERENT = 45.0
"""From this distance on (levels, Euclidean) a pixel is not the background's: about half of that between the two nearest
of the named colours."""
LEAST_FIGURE = 0.005  # of all pixels; fewer are noise


def background(picture: Image.Image) -> Colour:
    """Return the median colour of the picture's border."""
    pixels = np.asarray(picture.convert("RGB"), np.float64)
    width = max(1, min(picture.size) // BORDER)
    inside = np.zeros(pixels.shape[:2], bool)
    inside[width:-width, width:-width] = True
    return np.median(pixels[~inside], axis=0)


def foreground(picture: Image.Image) -> Colour | None:
    """Return the median colour of what is not background, None where there is almost nothing."""
    pixels = np.asarray(picture.convert("RGB"), np.float64)
    figure = np.linalg.norm(pixels - background(picture), axis=2) > DIFFERENT
    return np.median(pixels[figure], axis=0) if figure.mean() >= LEAST_FIGURE else None


def nearest(colour: Colour | Sequence[float]) -> str:
    """Return the name of the colour of the world that is nearest."""
    return min(COLOURS, key=lambda name: distance(colour, name))


def distance(colour: Colour | Sequence[float], name: str) -> float:
    """Return the Euclidean distance, in levels, to a named colour."""
    return float(np.linalg.norm(np.asarray(colour) - COLOURS[name]))


def between(colour: Colour | Sequence[float], first: str, second: str) -> float:
    """Return where a colour lies on the line through two named ones: 0 at `first`, 1 at `second`."""
    start, way = np.asarray(COLOURS[first], np.float64), np.subtract(COLOURS[second], COLOURS[first])
    return float((np.asarray(colour) - start) @ way / (way @ way))
