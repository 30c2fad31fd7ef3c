"""Measures what each example add-on changes, and writes it to the report.

usage: python -m tools.demo_model.addon_effects [--count 60] [--report FILE]
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from modules.core.parameters import Txt2Img
from modules.loading.vae_file import load_vae
from modules.pipeline.context import Loaded
from tools.demo_model import colours, report
from tools.demo_model.addons import EMBEDDING, HYPERNETWORK, LORA, MOONLIGHT, PLACEHOLDERS, SECOND_VAE, SEPIA
from tools.demo_model.draw import draw
from tools.demo_model.generate import Wish, add_options, load, make_pictures, manner_of
from tools.demo_model.shapes import shape_of
from tools.demo_model.world import BASICS, COLOURS, NEW_SHAPE, SHAPES, ShapeScene, random_scene

Pictures = Sequence[Image.Image]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an add-on is meant to do.

    Attributes:
        name: of the add-on.
        property: what is measured, for people.
        prompts: draws a prompt by lot.
        add: names the add-on in a prompt.
        vae: it is the second VAE.
        value: 1 for a picture that has the property, else 0.
    """

    name: str
    property: str
    prompts: Callable[[Random], str]
    add: Callable[[str], str] = str
    vae: bool = False
    value: Callable[[Image.Image], float]


def _house_prompt(random: Random) -> str:
    colour, background = random.sample(list(COLOURS), 2)
    return f"a large {colour} {NEW_SHAPE} on a {background} background"


def _any_prompt(random: Random) -> str:
    colour, background = random.sample([name for name in COLOURS if name != "black"], 2)
    return f"a large {colour} {random.choice(SHAPES)} on a {background} background"


def _moonlight_prompt(_: Random) -> str:
    return f"a picture of {' '.join(PLACEHOLDERS)}"


def _is_house(picture: Image.Image) -> float:
    return shape_of(picture) == NEW_SHAPE


def _is_moonlight(picture: Image.Image) -> float:
    # The dots of the background spoil a silhouette, so the shape is not asked.
    background = colours.nearest(colours.background(picture))
    return background == MOONLIGHT.background and _has(picture, MOONLIGHT.figures[0].colour)


def _has(picture: Image.Image, name: str) -> bool:
    """Whether a 30th of the picture at least has a named colour."""
    pixels = np.asarray(picture.convert("RGB"), np.float64)
    return bool((np.linalg.norm(pixels - COLOURS[name], axis=2) < 40).mean() > 1 / 30)


def _darkness(picture: Image.Image) -> float:
    return colours.nearest(colours.background(picture)) == "black"


def _sepia_hue(picture: Image.Image) -> float:
    """Whether the picture has the one hue of sepia: its levels are near those of its own luminance in sepia."""
    pixels = np.asarray(picture.convert("RGB"), np.float64)
    tint = np.asarray(SEPIA).sum(1)
    brightness = pixels @ tint / (tint @ tint)
    expected = np.minimum(brightness[..., None] * tint, 255)
    return float(np.abs(pixels - expected).mean() < 12)


EFFECTS = (
    Effect(
        name="LoRA easel-house",
        property="the shape is a house",
        prompts=_house_prompt,
        add=lambda prompt: f"{prompt} <lora:{LORA.stem}:1>",
        value=_is_house,
    ),
    Effect(
        name="Embedding easel-moonlight",
        property="something white before blue",
        prompts=_moonlight_prompt,
        add=lambda prompt: prompt.replace(" ".join(PLACEHOLDERS), EMBEDDING.stem),
        value=_is_moonlight,
    ),
    Effect(
        name="Hypernetwork easel-night",
        property="the background is black",
        prompts=_any_prompt,
        add=lambda prompt: f"{prompt} <hypernet:{HYPERNETWORK.stem}:1>",
        value=_darkness,
    ),
    Effect(name="VAE easel-sepia", property="all colours are sepia", prompts=_any_prompt, vae=True, value=_sepia_hue),
)


def measure(effect: Effect, checkpoint: Path, count: int, manner: Txt2Img) -> tuple[Pictures, Pictures]:
    """Return pictures of the same prompts and seeds without the add-on and with it."""
    random = Random(effect.name)
    wishes = [Wish(prompt=effect.prompts(random), seed=seed) for seed in range(count)]
    loaded = load(checkpoint)
    before = make_pictures(loaded, wishes, manner)
    changed = [replace(wish, prompt=effect.add(wish.prompt)) for wish in wishes]
    return before, make_pictures(_with_vae(loaded) if effect.vae else loaded, changed, manner)


def _with_vae(loaded: Loaded) -> Loaded:
    model = loaded.model
    vae = load_vae(SECOND_VAE, latents=model.latent_format, device=model.device, dtype=model.vae.dtype)
    return replace(loaded, model=replace(model, vae=vae))


def ruler_accuracy(count: int = 300) -> float:
    """Return how often `shape_of` is right about drawn pictures."""
    random = Random("drawn for the ruler")
    right = 0
    for _ in range(count):
        scene = random_scene(random, BASICS)
        if isinstance(scene, ShapeScene):
            right += shape_of(draw(scene, 128, 128)) == scene.figures[0].shape
    return right / count


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--count", type=int, default=60, help="seeds per add-on")
    parser.add_argument("--report", type=Path, default=report.REPORT)
    parser.add_argument("--sheet", type=Path, help="saves pictures without and with each add-on there")
    arguments = parser.parse_args()
    rows, sheet = list[list[str]](), list[Pictures]()
    for effect in EFFECTS:
        before, after = measure(effect, arguments.checkpoint, arguments.count, manner_of(arguments))
        shares = [sum(effect.value(picture) for picture in pictures) / len(pictures) for pictures in (before, after)]
        rows.append([effect.name, effect.property, *(f"{share:.0%}" for share in shares), str(len(before))])
        sheet += [before[:10], after[:10]]
    text = "\n\n".join(
        (
            "## Add-ons",
            report.origin("tools.demo_model.addon_effects", sys.argv[1:], arguments.checkpoint),
            "Share of pictures of the same prompts and seeds that have the property, without and with the add-on:",
            report.table(["add-on", "property", "without", "with", "seeds"], rows),
            f"The silhouettes that tell a house name the right shape of {ruler_accuracy():.1%} of drawn pictures.",
        )
    )
    report.write_section(arguments.report, "add-ons", text)
    report.show(text)
    if arguments.sheet:
        _save_sheet(sheet, arguments.sheet)


def _save_sheet(rows: Sequence[Pictures], file: Path) -> None:
    side = rows[0][0].width
    whole = Image.new("RGB", (side * max(len(row) for row in rows), side * len(rows)))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            whole.paste(picture, (x * side, y * side))
    whole.save(file)


if __name__ == "__main__":
    main()
