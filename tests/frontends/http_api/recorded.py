"""Answers of the real A1111, to compare the shape of ours with."""

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "data" / "http_api" / "a1111_answers.json"


@cache
def a1111_answers() -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return answers
