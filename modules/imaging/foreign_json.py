"""JSON of other programs, which may hold anything: every look into it says what it expects and gets None otherwise."""

import json
import math
from collections.abc import Mapping
from typing import cast

MAXIMUM_JSON = 8 << 20  # characters
Object = Mapping[str, object]


def json_object(text: object) -> Object | None:
    """Return the JSON object that `text` is, None when it is none."""
    value = _parsed(text) if isinstance(text, str) and len(text) <= MAXIMUM_JSON else None
    return as_object(value)


def as_object(value: object) -> Object | None:
    """Return `value` if it is a JSON object."""
    return cast("Object", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object]:
    """Return `value` if it is a JSON array, else an empty list."""
    return cast("list[object]", value) if isinstance(value, list) else []


def as_text(value: object) -> str | None:
    """Return `value` if it is a text."""
    return value if isinstance(value, str) else None


def as_number(value: object) -> float | None:
    """Return `value` if it is a finite number, or a text of one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value[:64] if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_whole(value: object, *, least: int = 0, most: int = 2**64 - 1) -> int | None:
    """Return `value` if it is a whole number from `least` to `most`, or a text or float of one."""
    if isinstance(value, str) and len(value) <= 20 and value.isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if least <= value <= most else None


def side(value: object) -> int | None:
    """Return `value` if it may be a picture's side in px."""
    return as_whole(value, least=1, most=100_000)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, a number without end, or nested without end
        return None
