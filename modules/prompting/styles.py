"""Styles: named pieces of prompt from `styles.csv`, merged into what was typed."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modules.core.errors import EaselError

PLACEHOLDER = "{prompt}"
COMMENT = "#"


class StylesFileError(EaselError):
    """`styles.csv` is there but cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One row of `styles.csv`."""

    name: str
    prompt: str
    negative_prompt: str


def read_styles(path: Path) -> list[Style]:
    """Read A1111's `styles.csv`: UTF-8 with or without a byte order mark, columns `name,prompt,negative_prompt`.

    Columns may be missing, but for the name, and in any order; before A1111 knew negative prompts, the prompt's was
    called `text`. Rows whose name begins with "#" are comments. Bytes that are no UTF-8 become replacement characters.

    Returns:
        The styles in the file's order, of several with one name the last; none when there is no file, or no column of
        names.

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
    styles = (
        Style(
            name=row["name"],
            prompt=row["prompt"] if "prompt" in row else row.get("text", ""),
            negative_prompt=row.get("negative_prompt", ""),
        )
        for row in rows
        if "name" in row and not row["name"].startswith(COMMENT)
    )
    return list({style.name: style for style in styles}.values())


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
