"""Reads `tests/data/prompting`."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data" / "prompting"


def recorded(name: str, key: str = "cases") -> list[Any]:
    """Return the cases of one file."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))[key]
