"""Styles: named pieces of prompt from `styles.csv`, merged into what was typed."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.core.errors import EaselError

PLACEHOLDER = "{prompt}"


class StylesFileError(EaselError):
    """`styles.csv` is there but cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One row of `styles.csv`."""

    name: str
    prompt: str
    negative_prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractedStyles:
    """What was typed, and the styles that were merged into it.

    Attributes:
        names: in the order in which they were applied.
        prompt: without the styles.
        negative_prompt: likewise.
    """

    names: tuple[str, ...]
    prompt: str
    negative_prompt: str


def read_styles(path: Path) -> list[Style]:
    """Read A1111's `styles.csv`: UTF-8 with or without a byte order mark, columns `name,prompt,negative_prompt`.

    Columns may be missing, but for the name, and in any order. Bytes that are no UTF-8 become replacement characters.

    Returns:
        The styles in the file's order; none when there is no file, or no column of names.

    Raises:
        StylesFileError: the file cannot be opened or is no table.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file, restval=""))
    except FileNotFoundError:
        return []
    except (OSError, csv.Error) as error:
        raise StylesFileError(f"The styles in {path} cannot be read: {error}. Repair or remove the file.") from error
    return [
        Style(name=row["name"], prompt=row.get("prompt", ""), negative_prompt=row.get("negative_prompt", ""))
        for row in rows
        if "name" in row
    ]


def apply_styles(text: str, parts: Iterable[str]) -> str:
    """Merge the prompts (or the negative prompts) of styles into `text`, one after the other.

    A part with `{prompt}` wraps the text; any other part follows it after a comma; an empty part changes nothing.
    """
    for part in parts:
        text = _merge(part, text)
    return text


def _merge(part: str, text: str) -> str:
    if PLACEHOLDER in part:
        return part.replace(PLACEHOLDER, text)
    return ", ".join(filter(None, (text.strip(), part.strip())))


def extract_styles(prompt: str, negative_prompt: str, styles: Sequence[Style]) -> ExtractedStyles:
    """Undo `apply_styles`: find the styles whose two texts are both around or at the end of the prompts.

    As in A1111 1.10 the first style of the list that fits is taken off, then the first one that fits the rest. Styles
    that say nothing are not looked for.
    """
    names: list[str] = []
    left = [style for style in styles if style.prompt or style.negative_prompt]
    while fit := _first_fit(left, prompt, negative_prompt):
        style, prompt, negative_prompt = fit
        left.remove(style)
        names.append(style.name)
    return ExtractedStyles(names=tuple(reversed(names)), prompt=prompt, negative_prompt=negative_prompt)


def _first_fit(styles: Iterable[Style], prompt: str, negative_prompt: str) -> tuple[Style, str, str] | None:
    """Return the first style that is in both prompts, and these without it."""
    for style in styles:
        positive, negative = _without(style.prompt, prompt), _without(style.negative_prompt, negative_prompt)
        if positive is not None and negative is not None:
            return style, positive, negative
    return None


def _without(part: str, text: str) -> str | None:
    """Return `text` without a style's part, None if it is not in it."""
    part, text = part.strip(), text.strip()
    before, placeholder, after = part.partition(PLACEHOLDER)
    if not placeholder:
        return text.removesuffix(part).removesuffix(", ") if text.endswith(part) else None
    if text.startswith(before) and text.endswith(after):
        return text[len(before) : len(text) - len(after)]
    return None
