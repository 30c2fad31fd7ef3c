"""Compares series of pictures that differ in one thing, made from the same seeds through the product's pipeline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from modules.core.parameters import Txt2Img
from modules.pipeline.context import Loaded
from tools.demo_model import colours
from tools.demo_model.classifier import Answers, Classifier
from tools.demo_model.generate import Wish, make_series
from tools.demo_model.proportions import sign_test
from tools.demo_model.report import table

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What can be seen in one picture.

    Attributes:
        answers: the classifier's.
        figure: colour of the shape, read from the pixels; None where there is none.
    """

    answers: Answers
    figure: colours.Colour | None


Measure = Callable[[Look], float]
"""Something about a picture, 0..1."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What a series of pictures is made from."""

    prompt: str
    negative_prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two series to compare, and by what."""

    before: Arm
    after: Arm
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A claim about the pictures.

    Attributes:
        change: what differs in the prompts.
        measured: what the figures are.
        rises: whether the figure is to rise; or else to fall.
        cases: the pairs of all of them count together.
    """

    change: str
    measured: str
    rises: bool
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a comparison.

    Attributes:
        before: mean of the figure, 0..1.
        after: likewise.
        pairs: of pictures.
        p: of the sign test.
        as_said: it moved in the direction said, and not by chance.
    """

    before: float
    after: float
    pairs: int
    p: float
    as_said: bool


def shows(question: str, answer: str) -> Measure:
    """Whether the classifier gives this answer: its mean is the share of such pictures."""
    return lambda look: float(look.answers[question] == answer)


def towards(colour: str, other: str) -> Measure:
    """How far the shape's colour lies from one named colour to another: 0 at `other`, 1 at `colour`, 0.5 for none."""

    def measure(look: Look) -> float:
        return float(np.clip(colours.between(look.figure, other, colour), 0, 1)) if look.figure is not None else 0.5

    return measure


class Gallery:
    """Series of pictures, made when they are first asked for."""

    def __init__(self, loaded: Loaded, classifier: Classifier, manner: Txt2Img, *, seed: int, count: int) -> None:
        self._loaded = loaded
        self._classifier = classifier
        self._manner = manner
        self._seed = seed
        self._count = count
        self._looks: dict[Arm, list[Look]] = {}

    def __call__(self, arm: Arm) -> list[Look]:
        """Return what the pictures of `arm` show; the n-th of every series has the same seed."""
        if arm not in self._looks:
            first = Wish(prompt=arm.prompt, negative_prompt=arm.negative_prompt, seed=self._seed)
            pictures = make_series(self._loaded, first, self._count, self._manner)
            self._looks[arm] = [
                Look(answers=answers, figure=colours.foreground(picture))
                for picture, answers in zip(pictures, self._classifier.read(pictures), strict=True)
            ]
        return self._looks[arm]


def outcome(comparison: Comparison, looks: Callable[[Arm], Sequence[Look]]) -> Outcome:
    """Compare, case by case and picture by picture.

    Args:
        comparison: what.
        looks: gives the pictures of a series, those of the same seed at the same place.
    """
    before = [case.measure(look) for case in comparison.cases for look in looks(case.before)]
    after = [case.measure(look) for case in comparison.cases for look in looks(case.after)]
    means, p = (float(np.mean(before)), float(np.mean(after))), sign_test(before, after)
    moved = means[1] > means[0] if comparison.rises else means[1] < means[0]
    return Outcome(before=means[0], after=means[1], pairs=len(before), p=p, as_said=moved and p < SIGNIFICANT)


def outcomes_table(comparisons: Sequence[Comparison], looks: Callable[[Arm], Sequence[Look]]) -> str:
    """Return the figures of all comparisons as a Markdown table."""
    rows = list[Sequence[str]]()
    for comparison in tqdm(comparisons, desc="comparisons"):
        came = outcome(comparison, looks)
        rows.append(
            (
                comparison.change,
                comparison.measured,
                "rises" if comparison.rises else "falls",
                f"{came.before:.1%}",
                f"{came.after:.1%}",
                str(came.pairs),
                f"{came.p:.1g}",
                "yes" if came.as_said else "**no**",
            )
        )
    return table(("change", "measured", "is to", "before", "after", "pairs", "p", "as said"), rows)
