"""Values of unknown origin made fit for a JSON answer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

MAX_CHARACTERS = 200
MAX_ITEMS = 20
MAX_DEPTH = 4


def json_safe(value: object, *, depth: int = MAX_DEPTH) -> Any:
    """Return `value`, or what stands for it, small and of JSON's types only.

    JSON has no NaN and no infinity, UTF-8 no lone surrogates, and an error message needs no megabytes of the input.
    """
    match value:
        case None | bool() | int():
            return value if abs(value or 0) < 2**64 else "a very large number"
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return clean_text(value, MAX_CHARACTERS)
        case Mapping() | list() | tuple() if depth == 0:
            return "…"
        case Mapping():
            items = list(cast("Mapping[object, object]", value).items())[:MAX_ITEMS]
            return {clean_text(str(key), MAX_CHARACTERS): json_safe(item, depth=depth - 1) for key, item in items}
        case list() | tuple():
            return [json_safe(item, depth=depth - 1) for item in cast("Sequence[object]", value)[:MAX_ITEMS]]
        case _:
            return clean_text(repr(value), MAX_CHARACTERS)


def clean_text(text: str, limit: int) -> str:
    """Return `text` encodable as UTF-8, with at most `limit` characters."""
    short = text if len(text) <= limit else f"{text[:limit]}…"
    return short.encode("utf-8", "replace").decode("utf-8")
