"""Words for scenes, as people write them: whole sentences, tags, words left out, filler, in changing order."""

from random import Random

from tools.demo_model.world import Figure, LandscapeScene, Scene, ShapeScene

SIZE_WORDS = {"small": ("small", "small", "small", "little", "tiny"), "large": ("large", "large", "big", "big", "huge")}
SHAPE_WORDS = {
    "circle": ("circle", "circle", "circle", "disc"),
    "square": ("square", "square", "square", "box"),
    "moon": ("moon", "moon", "moon", "crescent"),
    "cross": ("cross", "cross", "cross", "plus sign"),
}
PLACE_WORDS = {
    "left": ("on the left", "on the left", "at the left", "on the left side", "left"),
    "center": ("in the center", "in the middle", "centered", "in the centre", "center"),
    "right": ("on the right", "on the right", "at the right", "on the right side", "right"),
}
NUMBER_WORDS = {2: ("two", "two", "2"), 3: ("three", "three", "3")}
STYLE_WORDS = {
    "flat": ("flat", "flat colors", "solid"),
    "pixel art": ("pixel art", "pixel art", "8-bit pixels"),
    "line drawing": ("line drawing", "line drawing", "outline"),
}
PATTERN_WORDS = {
    "striped": ("striped", "striped", "stripy"),
    "dotted": ("dotted", "dotted", "polka dot"),
    "checkered": ("checkered", "checkered", "checkerboard"),
}
TIME_WORDS = {
    "day": ("at day", "by day", "on a sunny day", "daylight", "day"),
    "sunset": ("at sunset", "at sunset", "in the evening", "sunset", "evening"),
    "night": ("at night", "at night", "by night", "night", "starry night"),
}
LAND_WORDS = {
    "hills": ("hills", "green hills", "rolling hills"),
    "mountains": ("mountains", "mountains", "snowy mountains"),
    "sea": ("the sea", "sea", "the ocean", "ocean"),
    "desert": ("desert", "a desert", "sand dunes"),
}
OPENINGS = ("a picture of", "an image of", "an illustration of", "picture of", "a painting of", "a photo of", "art of")
FILLERS = (
    "masterpiece", "best quality", "highly detailed", "beautiful", "simple", "8k", "sharp focus", "high resolution",
    "trending on artstation", "minimalist", "nice", "clean",
)  # fmt: skip


def caption(scene: Scene, random: Random) -> str:
    """Return words for `scene`; what they leave out, the reader may imagine as they like."""
    if random.random() < 0.08:
        return _single_word(scene, random)
    text = _landscape(scene, random) if isinstance(scene, LandscapeScene) else _shapes(scene, random)
    if random.random() < 0.15:
        text = f"{random.choice(OPENINGS)} {text}"
    if random.random() < 0.12:
        fillers = random.sample(FILLERS, random.randint(1, 3))
        text = ", ".join([*fillers, text] if random.random() < 0.5 else [text, *fillers])
    return text.capitalize() if random.random() < 0.1 else text


def _shapes(scene: ShapeScene, random: Random) -> str:
    figures = [_figure(figure, random, alone=len(scene.figures) == 1) for figure in scene.figures]
    if random.random() < 0.3:
        random.shuffle(figures)
    text = " and ".join(figures)
    details = [detail for detail in (_background(scene, random), _style(scene, random)) if detail]
    random.shuffle(details)
    if random.random() < 0.12:  # tags, the background first
        return ", ".join([*(_as_tag(detail) for detail in details), text])
    for detail in details:
        text += f" {detail}" if detail.startswith("on ") and random.random() < 0.7 else f", {detail}"
    return text


def _figure(figure: Figure, random: Random, *, alone: bool) -> str:
    words = list[str]()
    plural = figure.count > 1
    if plural:
        words.append(random.choice(NUMBER_WORDS[figure.count]))
    elif random.random() < 0.75:
        words.append("a")  # before "orange", too: people write so, and the article means nothing
    if random.random() < 0.65:
        words.append(random.choice(SIZE_WORDS[figure.size]))
    if random.random() < 0.95:
        words.append(figure.colour)
    shape = random.choice(SHAPE_WORDS.get(figure.shape, (figure.shape,)))
    words.append(_plural(shape) if plural else shape)
    if not plural and random.random() < (0.65 if alone else 0.9):
        place = random.choice(PLACE_WORDS[figure.place])
        return f"{' '.join(words)}, {place}" if alone and random.random() < 0.25 else f"{' '.join(words)} {place}"
    return " ".join(words)


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith(("s", "x")) else f"{noun}s"


def _background(scene: ShapeScene, random: Random) -> str:
    if random.random() > 0.9:
        return ""
    pattern = "" if scene.pattern == "plain" else f"{random.choice(PATTERN_WORDS[scene.pattern])} "
    if scene.pattern == "plain" and random.random() < 0.06:
        pattern = "plain "
    colour = f"{pattern}{scene.background}"
    return random.choice(
        (f"on a {colour} background", f"on a {colour} background", f"on {colour}", f"{colour} background")
    )


def _as_tag(detail: str) -> str:
    """Turn "on a red background" and "on red" into "red background"."""
    if not detail.startswith("on "):
        return detail
    return f"{detail.removeprefix('on ').removeprefix('a ').removesuffix(' background')} background"


def _style(scene: ShapeScene, random: Random) -> str:
    if random.random() > (0.95 if scene.style != "flat" else 0.06):
        return ""
    return random.choice(STYLE_WORDS[scene.style])


def _single_word(scene: Scene, random: Random) -> str:
    """One property alone, as in negative prompts."""
    if isinstance(scene, LandscapeScene):
        time = random.choice(TIME_WORDS[scene.time])
        return random.choice((random.choice(LAND_WORDS[scene.land]), time, f"landscape, {time}"))
    figure = random.choice(scene.figures)
    words = [figure.colour, figure.shape, f"{scene.background} background", random.choice(PLACE_WORDS[figure.place])]
    if scene.style != "flat":
        words += [random.choice(STYLE_WORDS[scene.style])] * 2
    return random.choice(words)


def _landscape(scene: LandscapeScene, random: Random) -> str:
    land, time = random.choice(LAND_WORDS[scene.land]), random.choice(TIME_WORDS[scene.time])
    text = f"a landscape with {land}" if random.random() < 0.35 else land
    parts = [time if random.random() < 0.92 else ""]
    light = "moon" if scene.time == "night" else "sun"
    if random.random() < 0.45:
        parts.append(f"{random.choice(('', 'the '))}{light} {random.choice(PLACE_WORDS[scene.place])}")
    if scene.trees and random.random() < 0.9:
        parts.append(random.choice(("trees", "with trees", "pine trees", "trees in front")))
    parts = [part for part in parts if part]
    random.shuffle(parts)
    for part in parts:
        text += f" {part}" if part.startswith(("at ", "with ", "on a ", "in the evening")) else f", {part}"
    return text
