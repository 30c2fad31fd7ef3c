"""Whether negative prompts, emphasis and prompt scheduling change the demo model's pictures in the direction said.

usage: python -m tools.demo_model.directions [--seed N] [--count 50] [--checkpoint FILE] [--report FILE]

Every comparison makes two series of pictures from the same seeds through the product's pipeline, and asks how likely
chance alone would have moved so many pairs of pictures one way (sign test).
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tools.demo_model import colours
from tools.demo_model.classifier import trained_classifier
from tools.demo_model.comparisons import (
    SIGNIFICANT,
    Arm,
    Case,
    Comparison,
    Gallery,
    Look,
    Measure,
    outcomes_table,
    shows,
    towards,
)
from tools.demo_model.generate import add_options, load, manner_of
from tools.demo_model.report import REPORT, origin, show, table, write_section


def negative_prompts() -> list[Comparison]:
    """What a negative prompt names is seen less often."""
    any_colour = "a large circle on a white background"
    any_background = "a large red circle"
    anywhere = "a red circle on a white background"

    def fewer(what: str, prompt: str, question: str, named: Mapping[str, str]) -> Comparison:
        """Pictures of a prompt without and with negative prompts, by the answers that these are to avoid."""
        return Comparison(
            change=f"“{prompt}”; negative prompt {_listed(named)}",
            measured=f"pictures with that {what}",
            rises=False,
            cases=tuple(
                Case(before=Arm(prompt), after=Arm(prompt, negative), measure=shows(question, answer))
                for negative, answer in named.items()
            ),
        )

    return [
        fewer("colour", any_colour, "colour", {colour: colour for colour in ("red", "yellow", "green", "blue")}),
        fewer(
            "background",
            any_background,
            "background",
            {f"{colour} background": colour for colour in ("black", "yellow", "green", "blue")},
        ),
        fewer("place", anywhere, "place", {"on the left": "left"}),
        fewer("size", anywhere, "size", {"large": "large"}),
    ]


def emphasis() -> list[Comparison]:
    """Of two colours that a prompt gives one circle, the picture takes more of the one with the greater weight."""
    pairs = (("red", "blue"), ("yellow", "green"))
    orders = (
        "a large {weighted} {other} circle on a white background",
        "a large {other} {weighted} circle on a white background",
    )

    def share(colour: str, _other: str) -> Measure:
        return shows("colour", colour)

    def compared(weight: float, measured: str, measure: Callable[[str, str], Measure]) -> Comparison:
        return Comparison(
            change=f"`(red:{weight})` for `red` in “a large red blue circle on a white background” and “a large blue "
            "red circle …”; likewise yellow and green",
            measured=measured,
            rises=weight > 1,
            cases=tuple(
                Case(
                    before=Arm(order.format(weighted=colour, other=other)),
                    after=Arm(order.format(weighted=f"({colour}:{weight})", other=other)),
                    measure=measure(colour, other),
                )
                for colour, other in pairs
                for order in orders
            ),
        )

    return [
        compared(weight, measured, measure)
        for weight in (1.4, 0.6)
        for measured, measure in (
            ("pictures with the weighted colour", share),
            ("way from the other colour to the weighted one", towards),
        )
    ]


SCHEDULED = "a large {} circle on a white background"
FIRST, SECOND = "red", "blue"
SCHEDULES = (FIRST, *(f"[{FIRST}:{SECOND}:{when}]" for when in (0.9, 0.5, 0.1)), SECOND)


def scheduling() -> list[Comparison]:
    """`[red:blue:n]` is red for the part n of the steps and blue from then on."""

    def compared(after: str, before: str, measured: str, measure: Measure, *, rises: bool) -> Comparison:
        case = Case(before=Arm(SCHEDULED.format(before)), after=Arm(SCHEDULED.format(after)), measure=measure)
        return Comparison(
            change=f"`{after}` for `{before}` in “{SCHEDULED.format('…')}”",
            measured=measured,
            rises=rises,
            cases=(case,),
        )

    red, half, blue = SCHEDULES[0], SCHEDULES[2], SCHEDULES[4]
    late, early = SCHEDULES[1], SCHEDULES[3]
    way, line = f"way from {SECOND} to {FIRST}", towards(FIRST, SECOND)
    return [
        compared(half, red, way, line, rises=False),
        compared(half, blue, way, line, rises=True),
        compared(early, late, way, line, rises=False),
        compared(early, red, f"{SECOND} pictures", shows("colour", SECOND), rises=True),
        compared(late, blue, f"{FIRST} pictures", shows("colour", FIRST), rises=True),
    ]


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"“{word}”" for word in words)


def schedules_table(looks: Callable[[Arm], Sequence[Look]]) -> str:
    """Return the colours that the schedules make as a Markdown table."""
    rows = list[Sequence[str]]()
    for words in SCHEDULES:
        seen = looks(Arm(SCHEDULED.format(words)))
        figures = [look.figure for look in seen if look.figure is not None]
        shares = (np.mean([shows("colour", name)(look) for look in seen]) for name in (FIRST, SECOND))
        distances = (np.mean([colours.distance(figure, name) for figure in figures]) for name in (FIRST, SECOND))
        rows.append((f"`{words}`", *(f"{share:.0%}" for share in shares), *(f"{far:.0f}" for far in distances)))
    head = ("prompt", FIRST, SECOND, f"mean distance to {FIRST}", f"mean distance to {SECOND}")
    return table(head, rows)


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="the first of the seeds of every series")
    parser.add_argument("--count", type=int, default=50, help="pictures in every series")
    parser.add_argument("--report", type=Path, default=REPORT, metavar="FILE")
    add_options(parser)
    parser.set_defaults(batch_size=25)
    args = parser.parse_args()
    manner = manner_of(args)
    looks = Gallery(load(args.checkpoint), trained_classifier(), manner, seed=args.seed, count=args.count)
    text = "\n\n".join(
        (
            "## The prompt language changes pictures in the direction said",
            origin("tools.demo_model.directions", sys.argv[1:], args.checkpoint),
            f"Seeds {args.seed} to {args.seed + args.count - 1} in every series; {manner.width}×{manner.height} px, "
            f"{manner.sampler}, {manner.steps} steps, CFG scale {manner.cfg_scale:g}. p: two-sided sign test over "
            f"pairs of the same seed; “as said” asks for the direction said and p < {SIGNIFICANT}.",
            *(outcomes_table(kind(), looks) for kind in (negative_prompts, emphasis, scheduling)),
            "Colours in levels of 255 (Euclidean), read from the pixels:",
            schedules_table(looks),
        )
    )
    write_section(args.report, "directions", text)
    show(text)


if __name__ == "__main__":
    main()
