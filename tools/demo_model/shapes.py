"""Tells which shape a picture of one figure shows, by laying silhouettes on it: nothing is trained for that."""

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from tools.demo_model import colours
from tools.demo_model.draw import draw
from tools.demo_model.world import NEW_SHAPE, SHAPES, Figure, ShapeScene

Mask = npt.NDArray[np.float64]
"""[SIDE, SIDE], 1 where the figure is."""

SIDE = 32
TILTS = (-8, 0, 8)  # degrees


def shape_of(picture: Image.Image) -> str | None:
    """Return the name of the shape whose silhouette overlaps the figure best, None where there is no figure."""
    figure = _silhouette(picture)
    if figure is None:
        return None
    return max(_templates(), key=lambda template: _overlap(figure, template[1]))[0]


@cache
def _templates() -> tuple[tuple[str, Mask], ...]:
    found = list[tuple[str, Mask]]()
    for shape in (*SHAPES, NEW_SHAPE):
        for tilt in TILTS:
            scene = ShapeScene(figures=(Figure(shape=shape, colour="black", tilt=tilt),), background="white")
            mask = _silhouette(draw(scene, 128, 128))
            if mask is not None:
                found.append((shape, mask))
    return tuple(found)


def _silhouette(picture: Image.Image) -> Mask | None:
    """Cut the figure out, and bring it to `SIDE` × `SIDE`; its proportions stay, it stands in the middle."""
    pixels = np.asarray(picture.convert("RGB"), np.float64)
    figure = np.linalg.norm(pixels - colours.background(picture), axis=2) > colours.DIFFERENT
    if figure.mean() < colours.LEAST_FIGURE:
        return None
    rows, columns = np.flatnonzero(figure.any(1)), np.flatnonzero(figure.any(0))
    cut = figure[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(cut.shape)
    square = np.zeros((side, side))
    top, left = (side - cut.shape[0]) // 2, (side - cut.shape[1]) // 2
    square[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    small = Image.fromarray((square * 255).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float64) / 255


def _overlap(first: Mask, second: Mask) -> float:
    """Return intersection over union, 0..1."""
    return float(np.minimum(first, second).sum() / np.maximum(first, second).sum())
