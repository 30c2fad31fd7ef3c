"""NovelAI's description of a picture as an infotext, as A1111 1.10 reads it."""

import json
from collections.abc import Mapping
from typing import cast

from modules.core.errors import UnknownName
from modules.core.samplers import find_sampler

SOFTWARE, DESCRIPTION, COMMENT = "Software", "Description", "Comment"
NAME = "NovelAI"

_FALLBACK_SAMPLER = "Euler a"


def novelai_infotext(items: Mapping[str, str], width: int, height: int) -> str | None:
    """Return the infotext of a picture of NovelAI, None when it is of another program or does not say enough.

    Args:
        items: its texts: "Software", "Description" (the prompt) and "Comment" (JSON).
        width: px.
        height: px.
    """
    if items.get(SOFTWARE) != NAME or DESCRIPTION not in items:
        return None
    said = _json_object(items.get(COMMENT, ""))
    values = {key: said.get(key) for key in ("uc", "steps", "sampler", "scale", "seed")}
    if not all(isinstance(value, str | int | float) for value in values.values()):
        return None
    return (
        f"{items[DESCRIPTION]}\n"
        f"Negative prompt: {values['uc']}\n"
        f"Steps: {values['steps']}, Sampler: {_sampler(str(values['sampler']))}, CFG scale: {values['scale']}, "
        f"Seed: {values['seed']}, Size: {width}x{height}, Clip skip: 2, ENSD: 31337"
    )


def hidden_items(text: str) -> dict[str, str]:
    """Return the texts of the JSON object that NovelAI hides in a picture's pixels; none when `text` is none."""
    return {key: value for key, value in _json_object(text).items() if isinstance(value, str)}


def _sampler(name: str) -> str:
    try:
        return find_sampler(name).name
    except UnknownName:
        return _FALLBACK_SAMPLER


def _json_object(text: str) -> dict[str, object]:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
