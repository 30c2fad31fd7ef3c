"""Values recorded from A1111, kept in `tests/data/library`; each file names its origin."""

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data" / "library"


def recorded(name: str) -> dict[str, Any]:
    """Return the content of the recording `name`."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
