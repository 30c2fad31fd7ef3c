"""The small visual world that the demo model knows: what there is in it, and how a scene is drawn by lot.

`draw` turns a scene into a picture, `captions` into the words that people might use for it.
"""

from dataclasses import dataclass
from random import Random

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "red": (214, 40, 44),
    "orange": (244, 136, 28),
    "yellow": (250, 216, 56),
    "green": (46, 158, 74),
    "blue": (40, 86, 204),
    "purple": (132, 58, 172),
    "pink": (246, 150, 190),
    "brown": (122, 76, 44),
    "black": (24, 24, 28),
    "white": (244, 244, 242),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "moon")
NEW_SHAPE = "house"
"""Can be drawn, but the model never saw it: the example LoRA teaches it."""
PLACES = ("left", "center", "right")
SIZES = ("small", "large")
PATTERNS = ("plain", "striped", "dotted", "checkered")
STYLES = ("flat", "pixel art", "line drawing")
TIMES = ("day", "sunset", "night")
LANDS = ("hills", "mountains", "sea", "desert")

MAX_COUNT = 3
COLOUR_JITTER = 6  # levels of 255, so that the model meets more than ten points of colour space


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One shape, or a row of equal ones.

    Attributes:
        shape: one of `SHAPES`.
        colour: one of `COLOURS`.
        place: one of `PLACES`; a row fills the width and is in the center.
        size: one of `SIZES`.
        count: 1..3.
        tilt: how far it is turned, degrees.
        lift: how far above the middle it is, as a part of the picture's height.
    """

    shape: str
    colour: str
    place: str = "center"
    size: str = "large"
    count: int = 1
    tilt: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeScene:
    """Figures before a background of one colour.

    Attributes:
        figures: one figure, or two at different places.
        background: one of `COLOURS`.
        pattern: one of `PATTERNS`, in a lighter or darker shade of the background.
        style: one of `STYLES`.
        jitter: seed of the small deviations of colour.
    """

    figures: tuple[Figure, ...]
    background: str
    pattern: str = "plain"
    style: str = "flat"
    jitter: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LandscapeScene:
    """A simple landscape.

    Attributes:
        land: one of `LANDS`.
        time: one of `TIMES`; at night the moon stands in the sky, else the sun.
        place: one of `PLACES`, where the sun or the moon stands.
        trees: whether trees stand in front.
        seed: of the outlines.
    """

    land: str
    time: str
    place: str
    trees: bool
    seed: int


Scene = ShapeScene | LandscapeScene


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """How often the kinds of scenes are drawn, each 0..1.

    Attributes:
        landscapes: landscapes among all scenes.
        rows: two or three equal shapes, among scenes of shapes.
        pairs: two different figures, among scenes of shapes.
        patterns: patterned backgrounds, among scenes of shapes.
        styles: pixel art and line drawings, among scenes of shapes.
    """

    landscapes: float = 0.2
    rows: float = 0.1
    pairs: float = 0.1
    patterns: float = 0.18
    styles: float = 0.18


BASICS = Mixture(landscapes=0, rows=0, pairs=0, patterns=0, styles=0)
"""One plain shape before a plain background."""


def random_scene(random: Random, mixture: Mixture = Mixture()) -> Scene:
    """Draw a scene by lot."""
    if random.random() < mixture.landscapes:
        return LandscapeScene(
            land=random.choice(LANDS),
            time=random.choice(TIMES),
            place=random.choice(PLACES),
            trees=random.random() < 0.4,
            seed=random.getrandbits(32),
        )
    background = random.choice(list(COLOURS))
    kind = random.random()
    if kind < mixture.rows:
        figures = (_figure(random, background, count=random.randint(2, MAX_COUNT), place="center"),)
    elif kind < mixture.rows + mixture.pairs:
        first = _figure(random, background, place="left")
        figures = (first, _figure(random, background, place="right"))
    else:
        figures = (_figure(random, background, place=random.choice(PLACES)),)
    return ShapeScene(
        figures=figures,
        background=background,
        pattern=random.choice(PATTERNS[1:]) if random.random() < mixture.patterns else "plain",
        style=random.choice(STYLES[1:]) if random.random() < mixture.styles else "flat",
        jitter=random.getrandbits(32),
    )


def _figure(random: Random, background: str, *, place: str, count: int = 1) -> Figure:
    return Figure(
        shape=random.choice(SHAPES),
        colour=random.choice([colour for colour in COLOURS if colour != background]),
        place=place,
        size=random.choice(SIZES),
        count=count,
        tilt=random.uniform(-10, 10),
        lift=random.uniform(-0.08, 0.08),
    )
