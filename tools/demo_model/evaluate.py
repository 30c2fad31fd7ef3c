"""How often the demo model draws what was asked for.

usage: python -m tools.demo_model.evaluate --seed N [--count 500] [--checkpoint FILE] [--report FILE] [--sheet FILE]

Prompts of the basic world (one plain shape before a plain background) in varied wording become pictures, through the
product's own code; a classifier that was trained on drawn pictures alone says what they show.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from modules.core.parameters import Txt2Img
from tools.demo_model import colours
from tools.demo_model.captions import PLACE_WORDS, SHAPE_WORDS, SIZE_WORDS, caption
from tools.demo_model.classifier import QUESTIONS, Answers, accuracy, answers_of, trained_classifier
from tools.demo_model.generate import Wish, add_options, load, make_pictures, manner_of
from tools.demo_model.proportions import Proportion
from tools.demo_model.report import REPORT, origin, show, table, write_section
from tools.demo_model.sheet import contact_sheet
from tools.demo_model.world import BASICS, COLOURS, SHAPES, random_scene

HELD_OUT_PICTURES = 1000
ON_SHEET = 40
NAMES = {
    "colour": "colour of the shape",
    "background": "colour of the background",
    "shape": "shape",
    "place": "place, where asked",
    "size": "size, where asked",
}
ALWAYS_ASKED = ("colour", "background", "shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One prompt.

    Attributes:
        prompt: the words.
        asked: what they say about the picture; always its colours and the shape.
        seed: of the noise.
    """

    prompt: str
    asked: Answers
    seed: int


def tasks(seed: int, count: int) -> list[Task]:
    """Return prompts drawn by lot; captions that leave out a colour or the shape are passed over."""
    random = Random(f"evaluation {seed}")
    found = list[Task]()
    while len(found) < count:
        scene = random_scene(random, BASICS)
        prompt = caption(scene, random)
        asked = said(prompt, answers_of(scene))
        if all(question in asked for question in ALWAYS_ASKED):
            found.append(Task(prompt=prompt, asked=asked, seed=random.getrandbits(32)))
    return found


def said(prompt: str, true: Answers) -> Answers:
    """Return those of the true answers about a scene that its caption gives."""
    words = {
        "colour": (true["colour"],),
        "background": (true["background"],),
        "shape": SHAPE_WORDS.get(true["shape"], (true["shape"],)),
        "place": PLACE_WORDS[true["place"]],
        "size": SIZE_WORDS[true["size"]],
    }
    return {question: answer for question, answer in true.items() if _has_one_of(prompt, words[question])}


def _has_one_of(text: str, phrases: Sequence[str]) -> bool:
    return re.search(rf"\b({'|'.join(map(re.escape, phrases))})\b", text, re.IGNORECASE) is not None


def read_colours(picture: Image.Image) -> Answers:
    """Return both colours as the pixels say them, without the classifier; "" where there is no figure."""
    figure = colours.foreground(picture)
    return {
        "colour": colours.nearest(figure) if figure is not None else "",
        "background": colours.nearest(colours.background(picture)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How well pictures fit their prompts.

    Attributes:
        right: by question, of the pictures whose prompt answers it.
        all_right: pictures whose colours and shape are all right.
        shuffled: by question, the mean share when every picture is compared with all the other prompts.
        by_colour: shape's and background's colour by the asked one.
        by_shape: shape by the asked one.
        pixels: both colours as the pixels say them.
    """

    right: Mapping[str, Proportion]
    all_right: Proportion
    shuffled: Mapping[str, float]
    by_colour: Mapping[str, tuple[Proportion, Proportion]]
    by_shape: Mapping[str, Proportion]
    pixels: Mapping[str, Proportion]


def score(asked: Sequence[Answers], seen: Sequence[Answers], pixels: Sequence[Answers]) -> Scores:
    """Compare what was asked for with what the classifier and the pixels say, picture by picture."""
    pairs = list(zip(asked, seen, strict=True))

    def right(question: str, value: str | None = None) -> Proportion:
        """Of the pictures that were asked for an answer to the question, or for this one."""
        return Proportion.of(
            wish[question] == picture[question]
            for wish, picture in pairs
            if question in wish and value in (None, wish[question])
        )

    return Scores(
        right={question: right(question) for question in QUESTIONS},
        all_right=Proportion.of(all(wish[each] == picture[each] for each in ALWAYS_ASKED) for wish, picture in pairs),
        shuffled={question: _shuffled(question, asked, seen) for question in QUESTIONS},
        by_colour={name: (right("colour", name), right("background", name)) for name in COLOURS},
        by_shape={shape: right("shape", shape) for shape in SHAPES},
        pixels={
            question: Proportion.of(wish[question] == read[question] for wish, read in zip(asked, pixels, strict=True))
            for question in ("colour", "background")
        },
    )


def _shuffled(question: str, asked: Sequence[Answers], seen: Sequence[Answers]) -> float:
    """The mean share that fits when every picture gets each of the other prompts in turn; NaN if there are none."""
    concerned = [index for index, wish in enumerate(asked) if question in wish]
    wishes = np.array([asked[index][question] for index in concerned])
    pictures = np.array([seen[index][question] for index in concerned])
    fits = wishes[:, None] == pictures[None]
    others = fits.size - len(fits)
    return float((fits.sum() - fits.trace()) / others) if others else float("nan")


def report_of(
    scores: Scores, own: Mapping[str, Proportion], softened: Mapping[str, Proportion], *, manner: Txt2Img, seed: int
) -> str:
    """Return the figures as Markdown.

    Args:
        scores: of the pictures.
        own: the classifier's accuracy on held-out drawn pictures.
        softened: likewise, some of them blurred and compressed.
        manner: how the pictures were made.
        seed: of the prompts.
    """
    first = [
        (
            NAMES[question],
            str(scores.right[question].count),
            str(scores.right[question]),
            f"{scores.shuffled[question]:.1%}",
            f"{1 / len(answers):.1%}",
            f"{own[question].share:.1%}",
            f"{softened[question].share:.1%}",
        )
        for question, answers in QUESTIONS.items()
    ]
    head = ("property", "pictures", "as asked", "shuffled prompts", "chance", "classifier", "classifier, soft pictures")
    by_colour = [(name, *map(_brief, pair)) for name, pair in scores.by_colour.items()]
    by_shape = [(shape, _brief(each)) for shape, each in scores.by_shape.items()]
    count = scores.all_right.count
    return "\n\n".join(
        (
            f"{count} prompts of one plain shape before a plain background, in varied wording (seed {seed}); "
            f"{manner.width}×{manner.height} px, {manner.sampler}, {manner.steps} steps, CFG scale "
            f"{manner.cfg_scale:g}. Brackets: 95 % interval (Wilson).",
            table(head, first),
            f"Both colours and the shape are right in {scores.all_right}.",
            "“Shuffled prompts”: the same pictures, each compared with every other prompt. “Classifier”: its accuracy "
            f"on {HELD_OUT_PICTURES} drawn pictures of a seed that it was not trained on, and on as many of which half "
            "are blurred and a third compressed as JPEG.",
            "Read from the pixels without the classifier (nearest named colour of the border's median and of what "
            f"differs from it): the shape's colour is right in {scores.pixels['colour']}, the background's in "
            f"{scores.pixels['background']}.",
            table(("asked colour", "of the shape", "of the background"), by_colour),
            table(("asked shape", "right"), by_shape),
        )
    )


def _brief(proportion: Proportion) -> str:
    """Few prompts ask for every single colour, and a short evaluation for some of them never."""
    return f"{proportion.share:.0%} of {proportion.count}" if proportion.count else "–"


def main() -> None:
    """Evaluate from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--report", type=Path, default=REPORT, metavar="FILE")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help=f"save the first {ON_SHEET} pictures on one sheet")
    add_options(parser)
    args = parser.parse_args()
    manner = manner_of(args)
    loaded, classifier = load(args.checkpoint), trained_classifier()
    wanted = tasks(args.seed, args.count)
    pictures = make_pictures(loaded, [Wish(prompt=task.prompt, seed=task.seed) for task in wanted], manner)
    scores = score(
        [task.asked for task in wanted], classifier.read(pictures), [read_colours(picture) for picture in pictures]
    )
    own = accuracy(classifier, count=HELD_OUT_PICTURES)
    softened = accuracy(classifier, count=HELD_OUT_PICTURES, spoiled=True)
    parts = [
        "## Pictures follow the prompt",
        origin("tools.demo_model.evaluate", sys.argv[1:], args.checkpoint),
        report_of(scores, own, softened, manner=manner, seed=args.seed),
    ]
    if args.sheet:
        contact_sheet(pictures[:ON_SHEET], [task.prompt for task in wanted[:ON_SHEET]]).save(args.sheet)
        place = Path(os.path.relpath(args.sheet, args.report.parent)).as_posix()
        parts.append(f"![The first {ON_SHEET} pictures]({place})")
    text = "\n\n".join(parts)
    write_section(args.report, "evaluation", text)
    show(text)


if __name__ == "__main__":
    main()
