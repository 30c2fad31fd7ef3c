"""Styles: named pieces of prompt from `styles.csv`, merged into what was typed."""

import csv
import io
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


def styles_with(data: bytes, style: Style) -> bytes:
    """Return what `styles.csv` holds with a style added, or changed if there is one of its name.

    All else in the file stays, comments and columns of other programs too.

    Args:
        data: what it holds now, b"" for a file that is not there.
        style: its name is not empty and does not begin with "#".

    Raises:
        StylesFileError: the name does not fit, or `data` is no table with names.
    """
    if not style.name.strip() or style.name.startswith(COMMENT):
        raise StylesFileError(f"“{style.name}” cannot be a style's name. Give it one that does not begin with “#”.")
    columns, rows = _table(data)
    row = {"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt}
    same = [known for known in rows if known["name"] == style.name]
    if same:
        same[-1].update(row)
    else:
        rows.append(row)
    return _csv(columns, rows)


def styles_without(data: bytes, name: str) -> bytes:
    """Return what `styles.csv` holds without the style called `name`; see `styles_with`."""
    columns, rows = _table(data)
    return _csv(columns, [row for row in rows if row["name"] != name])


def _table(data: bytes) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns of a file of styles, ours among them, and its rows."""
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), restval="", restkey="")
        rows = [{key: value for key, value in row.items() if key} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise StylesFileError(f"styles.csv is damaged ({error}). Repair it or move it away.") from error
    columns = [column for column in reader.fieldnames or [] if column]
    if columns and "name" not in columns:
        raise StylesFileError("styles.csv has no column “name”. Repair it or move it away.")
    for row in rows:  # before A1111 knew negative prompts
        row.setdefault("prompt", row.get("text", ""))
    return list(dict.fromkeys((*columns, "name", "prompt", "negative_prompt"))), rows


def _csv(columns: list[str], rows: list[dict[str, str]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode("utf-8-sig", "replace")


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
