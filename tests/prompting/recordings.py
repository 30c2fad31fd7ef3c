"""Reads `tests/data/prompting`."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data" / "prompting"


def recorded(name: str, key: str = "cases") -> Any:
    """Return what one file has under a key."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))[key]
