"""Draws a scene of the demo model's world."""

import math
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from tools.demo_model.world import COLOUR_JITTER, COLOURS, Figure, LandscapeScene, Rgb, Scene, ShapeScene

Point = tuple[float, float]

OVERSAMPLING = 4  # every pixel is the mean of 4 × 4, so that edges are smooth
PIXEL_ART_CELLS = 32  # cells along the shorter side

RADIUS = {"small": 0.15, "large": 0.25}  # of a figure, as a part of the shorter side
ROW_RADIUS = {"small": 0.09, "large": 0.14}
PAIR_RADIUS = {"small": 0.11, "large": 0.19}
CENTRES = {"left": 0.27, "center": 0.5, "right": 0.73}  # of a figure, as a part of the width
LINE_WIDTH = 0.045  # of a line drawing, as a part of the shorter side

SKIES: dict[str, tuple[Rgb, Rgb]] = {  # colours at the top and at the horizon
    "day": ((70, 150, 232), (190, 226, 250)),
    "sunset": ((92, 56, 130), (252, 158, 82)),
    "night": ((8, 12, 40), (44, 54, 104)),
}
LIGHTS: dict[str, Rgb] = {"day": (255, 236, 130), "sunset": (255, 206, 96), "night": (238, 240, 224)}
DARKENING = {"day": 1.0, "sunset": 0.72, "night": 0.36}  # of everything on the ground
HORIZON = 0.62  # as a part of the height


def draw(scene: Scene, width: int, height: int) -> Image.Image:
    """Return the picture of `scene`, RGB, width × height px."""
    size = (width * OVERSAMPLING, height * OVERSAMPLING)
    if isinstance(scene, LandscapeScene):
        return _landscape(scene, size).reduce(OVERSAMPLING)
    picture = _shapes(scene, size)
    if scene.style == "pixel art":
        cell = max(1, min(width, height) // PIXEL_ART_CELLS)
        cells = picture.resize((width // cell, height // cell), Image.Resampling.NEAREST)
        return cells.resize((width, height), Image.Resampling.NEAREST)
    return picture.reduce(OVERSAMPLING)


# -- shapes


def _shapes(scene: ShapeScene, size: tuple[int, int]) -> Image.Image:
    jitter = Random(scene.jitter) if scene.jitter is not None else None
    background = _jittered(COLOURS[scene.background], jitter)
    picture = Image.new("RGB", size, background)
    pen = ImageDraw.Draw(picture)
    if scene.pattern != "plain":
        _PATTERNS[scene.pattern](pen, size, shade(background))
    for figure in scene.figures:
        colour = _jittered(COLOURS[figure.colour], jitter)
        radii = ROW_RADIUS if figure.count > 1 else PAIR_RADIUS if len(scene.figures) > 1 else RADIUS
        for x in _columns(figure):
            centre = (x * size[0], (0.5 - figure.lift) * size[1])
            _figure(
                picture, figure, centre, radii[figure.size] * min(size), colour, lines=scene.style == "line drawing"
            )
    return picture


def _columns(figure: Figure) -> Sequence[float]:
    match figure.count:
        case 1:
            return (CENTRES[figure.place],)
        case 2:
            return (0.32, 0.68)
        case _:
            return (0.2, 0.5, 0.8)


def _figure(picture: Image.Image, figure: Figure, centre: Point, radius: float, colour: Rgb, *, lines: bool) -> None:
    """Draw through a mask, so that holes show what is behind."""
    side = round(radius * 2.6)
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    middle = side / 2
    _outline(pen, figure.shape, middle, radius, fill=255)
    if lines:
        inner = Image.new("L", (side, side))
        width = LINE_WIDTH * min(picture.size)
        _outline(
            ImageDraw.Draw(inner), figure.shape, middle, radius - width * _inset(figure.shape), fill=255, width=width
        )
        mask.paste(0, (0, 0), inner)
    mask = mask.rotate(figure.tilt, Image.Resampling.BILINEAR)
    corner = (round(centre[0] - middle), round(centre[1] - middle))
    picture.paste(colour, (*corner, corner[0] + side, corner[1] + side), mask)


def _inset(shape: str) -> float:
    """How much smaller a shape's inside is for a line of width 1: acute corners need more."""
    return {"triangle": 2.0, "star": 1.9, "heart": 1.25, "square": 1.4}.get(shape, 1.0)


def _outline(
    pen: ImageDraw.ImageDraw, shape: str, middle: float, radius: float, *, fill: int, width: float = 0
) -> None:
    """Fill the shape of `radius` around (`middle`, `middle`).

    Args:
        pen: draws on the mask.
        shape: one of `SHAPES`.
        middle: of the mask, px.
        radius: px.
        fill: level of the inside.
        width: of the lines of a line drawing, px; what they surround is then filled. 0 for the whole shape.
    """
    c, r = middle, radius
    match shape:
        case "circle":
            pen.ellipse((c - r, c - r, c + r, c + r), fill=fill)
        case "square":
            a = r * 0.86
            pen.rectangle((c - a, c - a, c + a, c + a), fill=fill)
        case "triangle":
            pen.polygon(_polygon(3, c, c + r * 0.14, r * 1.1, -90), fill=fill)
        case "star":
            pen.polygon(_star(c, c + r * 0.05, r * 1.12, 0.44), fill=fill)
        case "heart":
            pen.polygon(_heart(c, c, r * 1.04), fill=fill)
        case "cross":
            a = r * 0.36 if not width else r * 0.36 - width * 0.36
            pen.rectangle((c - r, c - a, c + r, c + a), fill=fill)
            pen.rectangle((c - a, c - r, c + a, c + r), fill=fill)
        case "ring":
            pen.ellipse((c - r, c - r, c + r, c + r), fill=fill)
            hole = r * 0.56 if not width else r * 0.56 + width * 1.2
            pen.ellipse((c - hole, c - hole, c + hole, c + hole), fill=255 - fill)
            if width:
                hole -= width
                pen.ellipse((c - hole, c - hole, c + hole, c + hole), fill=fill)
        case "house":
            wall, eaves = r * 0.66, r * 0.98
            pen.polygon([(c - eaves, c - r * 0.02), (c, c - r), (c + eaves, c - r * 0.02)], fill=fill)
            pen.rectangle((c - wall, c - r * 0.04, c + wall, c + r * 0.9), fill=fill)
            door = r * 0.2 if not width else 0
            pen.rectangle((c - door, c + r * 0.3, c + door, c + r * 0.9), fill=255 - fill)
        case _:  # moon: a disc, and a second one that covers a part of it
            pen.ellipse((c - r, c - r, c + r, c + r), fill=fill)
            x, y, bite = c + _bite_offset(r, width), c - r * 0.12, r * 0.82 + width * 0.9
            pen.ellipse((x - bite, y - bite, x + bite, y + bite), fill=255 - fill)


def _bite_offset(radius: float, width: float) -> float:
    """How far right of the disc's middle the bite of a moon begins, px."""
    return radius * 0.52 + width * 0.55


def _polygon(corners: int, x: float, y: float, radius: float, start: float) -> list[Point]:
    turns = (math.radians(start + 360 * corner / corners) for corner in range(corners))
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


def _star(x: float, y: float, radius: float, inner: float) -> list[Point]:
    tips, notches = _polygon(5, x, y, radius, -90), _polygon(5, x, y, radius * inner, -54)
    return [point for pair in zip(tips, notches, strict=True) for point in pair]


def _heart(x: float, y: float, radius: float) -> list[Point]:
    """The curve (16 sin³ t, 13 cos t − 5 cos 2t − 2 cos 3t − cos 4t)."""
    points = list[Point]()
    for step in range(60):
        t = 2 * math.pi * step / 60
        up = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x + radius * math.sin(t) ** 3, y - radius * (up + 2.5) / 16))
    return points


# -- patterns


def _stripes(pen: ImageDraw.ImageDraw, size: tuple[int, int], colour: Rgb) -> None:
    period = min(size) / 6
    for stripe in range(math.ceil(size[0] / period)):
        pen.rectangle((stripe * period, 0, (stripe + 0.5) * period, size[1]), fill=colour)


def _dots(pen: ImageDraw.ImageDraw, size: tuple[int, int], colour: Rgb) -> None:
    period = min(size) / 5
    radius = period * 0.24
    for row in range(math.ceil(size[1] / period)):
        for column in range(math.ceil(size[0] / period) + 1):
            x, y = (column + 0.5 - 0.5 * (row % 2)) * period, (row + 0.5) * period
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _checkers(pen: ImageDraw.ImageDraw, size: tuple[int, int], colour: Rgb) -> None:
    side = min(size) / 8
    for row in range(math.ceil(size[1] / side)):
        for column in range(row % 2, math.ceil(size[0] / side), 2):
            pen.rectangle((column * side, row * side, (column + 1) * side - 1, (row + 1) * side - 1), fill=colour)


_PATTERNS: dict[str, Callable[[ImageDraw.ImageDraw, tuple[int, int], Rgb], None]] = {
    "striped": _stripes,
    "dotted": _dots,
    "checkered": _checkers,
}


def shade(colour: Rgb) -> Rgb:
    """Return the second colour of a patterned background: lighter, or darker where it is light already."""
    light = sum(colour) / 3 > 150
    return _mixed(colour, (0, 0, 0) if light else (255, 255, 255), 0.16 if light else 0.26)


def _jittered(colour: Rgb, random: Random | None) -> Rgb:
    if random is None:
        return colour
    r, g, b = (min(255, max(0, level + random.randint(-COLOUR_JITTER, COLOUR_JITTER))) for level in colour)
    return r, g, b


def _mixed(first: Rgb, second: Rgb, share: float) -> Rgb:
    r, g, b = (round(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return r, g, b


def _darkened(colour: Rgb, time: str) -> Rgb:
    """The colour of something on the ground; evening light also tints it."""
    tint = {"day": (255, 255, 255), "sunset": (120, 60, 90), "night": (10, 16, 60)}[time]
    return _mixed((0, 0, 0), _mixed(colour, tint, 0.0 if time == "day" else 0.35), DARKENING[time])


# -- landscapes


def _landscape(scene: LandscapeScene, size: tuple[int, int]) -> Image.Image:
    random = Random(scene.seed)
    picture = _sky(scene.time, size)
    _light(picture, scene, random)
    _LANDS[scene.land](picture, scene, random)
    if scene.trees:
        _trees(picture, scene, random)
    return picture


def _sky(time: str, size: tuple[int, int]) -> Image.Image:
    top, bottom = (np.array(colour, np.float32) for colour in SKIES[time])
    share = np.clip(np.linspace(0, 1 / HORIZON, size[1], dtype=np.float32), 0, 1)[:, None]
    rows = top + (bottom - top) * share
    return Image.fromarray(np.broadcast_to(rows[:, None], (size[1], size[0], 3)).astype(np.uint8))


def _light(picture: Image.Image, scene: LandscapeScene, random: Random) -> None:
    """Sun, or moon and stars; by day clouds."""
    width, height = picture.size
    unit, pen = min(picture.size), ImageDraw.Draw(picture)
    x = (CENTRES[scene.place] + random.uniform(-0.04, 0.04)) * width
    y = {"day": 0.22, "sunset": 0.46, "night": 0.22}[scene.time] * height
    radius = {"day": 0.09, "sunset": 0.12, "night": 0.08}[scene.time] * unit
    if scene.time == "night":
        for _ in range(14):
            star = (random.uniform(0, width), random.uniform(0, 0.5 * height))
            glow = random.uniform(0.006, 0.012) * unit
            pen.ellipse((star[0] - glow, star[1] - glow, star[0] + glow, star[1] + glow), fill=(236, 238, 250))
    else:
        halo = _mixed(SKIES[scene.time][1], LIGHTS[scene.time], 0.4)
        pen.ellipse((x - radius * 1.4, y - radius * 1.4, x + radius * 1.4, y + radius * 1.4), fill=halo)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=LIGHTS[scene.time])
    if scene.time == "day":
        for _ in range(random.randint(1, 2)):
            _cloud(pen, random.uniform(0.1, 0.9) * width, random.uniform(0.12, 0.4) * height, unit * 0.06)


def _cloud(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    for dx, dy, scale in ((-1.3, 0.2, 0.8), (0.0, -0.2, 1.1), (1.3, 0.2, 0.8)):
        a, b, r = x + dx * radius, y + dy * radius, scale * radius
        pen.ellipse((a - r, b - r * 0.8, a + r, b + r * 0.8), fill=(250, 252, 255))


def _hills(picture: Image.Image, scene: LandscapeScene, random: Random) -> None:
    for base, swing, colour in ((0.58, 0.06, (116, 176, 108)), (0.7, 0.05, (78, 148, 78)), (0.83, 0.04, (48, 116, 56))):
        _ridge(picture, random, base, swing, _darkened(colour, scene.time))


def _ridge(picture: Image.Image, random: Random, base: float, swing: float, colour: Rgb) -> None:
    width, height = picture.size
    phase, waves = random.uniform(0, 2 * math.pi), random.uniform(0.8, 1.7)
    line = [
        (x, (base + swing * math.sin(phase + 2 * math.pi * waves * x / width)) * height) for x in range(0, width + 8, 8)
    ]
    ImageDraw.Draw(picture).polygon([(0, height), *line, (width + 8, height)], fill=colour)


def _mountains(picture: Image.Image, scene: LandscapeScene, random: Random) -> None:
    width, height = picture.size
    pen = ImageDraw.Draw(picture)
    rock, snow = _darkened((112, 116, 136), scene.time), _darkened((244, 246, 252), scene.time)
    for x in (0.12, 0.86, 0.48):
        peak = (width * (x + random.uniform(-0.08, 0.08)), height * random.uniform(0.26, 0.4))
        foot, half = height * 0.86, width * random.uniform(0.3, 0.4)
        pen.polygon(
            [(peak[0] - half, foot), peak, (peak[0] + half, foot)], fill=_mixed(rock, (0, 0, 0), 0.25 * (x != 0.48))
        )
        cap = 0.28
        y, reach = peak[1] + (foot - peak[1]) * cap, half * cap
        pen.polygon([(peak[0] - reach, y), peak, (peak[0] + reach, y), (peak[0], y - (y - peak[1]) * 0.3)], fill=snow)
    _ridge(picture, random, 0.76, 0.03, _darkened((70, 128, 84), scene.time))


def _sea(picture: Image.Image, scene: LandscapeScene, random: Random) -> None:
    width, height = picture.size
    pen = ImageDraw.Draw(picture)
    top = HORIZON * height
    water = {"day": (36, 116, 186), "sunset": (118, 72, 120), "night": (14, 26, 70)}[scene.time]
    pen.rectangle((0, top, width, height), fill=water)
    sparkle = _mixed(water, LIGHTS[scene.time], 0.55)
    for row in range(5):
        y = top + (0.04 + 0.065 * row) * height
        x = CENTRES[scene.place] * width + random.uniform(-0.02, 0.02) * width
        half = (0.05 + 0.03 * row) * width * random.uniform(0.7, 1.0)
        pen.rounded_rectangle((x - half, y, x + half, y + 0.018 * height), radius=0.009 * height, fill=sparkle)


def _desert(picture: Image.Image, scene: LandscapeScene, random: Random) -> None:
    for base, swing, colour in (
        (0.6, 0.04, (240, 208, 140)),
        (0.7, 0.05, (228, 182, 106)),
        (0.84, 0.05, (206, 152, 80)),
    ):
        _ridge(picture, random, base, swing, _darkened(colour, scene.time))


def _trees(picture: Image.Image, scene: LandscapeScene, random: Random) -> None:
    """Draw conifers along the lower edge, left and right, so that the middle stays free."""
    width, height = picture.size
    pen = ImageDraw.Draw(picture)
    leaf, trunk = _darkened((26, 88, 50), scene.time), _darkened((92, 60, 38), scene.time)
    for side in (0.1, 0.24, 0.78, 0.92):
        x, foot = (side + random.uniform(-0.03, 0.03)) * width, random.uniform(0.92, 0.98) * height
        tall = random.uniform(0.26, 0.36) * height
        pen.rectangle((x - 0.012 * width, foot - tall * 0.25, x + 0.012 * width, foot), fill=trunk)
        half = 0.075 * min(picture.size)
        pen.polygon([(x - half, foot - tall * 0.18), (x, foot - tall), (x + half, foot - tall * 0.18)], fill=leaf)


_LANDS: dict[str, Callable[[Image.Image, LandscapeScene, Random], None]] = {
    "hills": _hills,
    "mountains": _mountains,
    "sea": _sea,
    "desert": _desert,
}
