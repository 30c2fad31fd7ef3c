"""Infotexts with JSON in their last line, as Civitai and its extension for A1111 write them."""

import json
import re
from itertools import islice
from typing import cast

from modules.imaging.infotext import read_infotext

HASHES, MODEL_HASH = "Hashes", "Model hash"

_START = re.compile(
    r"""
    (?P<quoted> : \s*+ "(?: [^"\\] | \\. )*+" )                   # may hold anything
    | (?: ^ | , ) \s*+ (?P<key> \w [\w\ /-]{1,60} ) : \s*+ (?= [\[{] )
    """,
    re.VERBOSE,
)
_DECODER = json.JSONDecoder()
_MAXIMUM_JSON_FIELDS = 16  # each is searched to its end: without a limit that could take for ever


def read_any_infotext(text: str) -> dict[str, str]:
    """Return what an infotext says, as `read_infotext` does, with JSON values whole.

    `Hashes: {"model": "…", "lora:name": "…"}`, `Civitai resources: […]` and the like stay as they are written; A1111
    reads a part of each as fields of their own. The checkpoint's hash among them becomes the model hash when the
    infotext names none.
    """
    head, line_break, last = text.strip().rpartition("\n")
    rest, found = _without_json(last)
    said = read_infotext(head + line_break + rest)
    if len(said) == 2:  # two prompts and nothing else: what looked like JSON fields was a prompt
        return read_infotext(text)
    if HASHES in found and (model := _model_hash(found[HASHES][1])):
        said.setdefault(MODEL_HASH, model)
    return said | {key: written for key, (written, _) in found.items()}


def _without_json(line: str) -> tuple[str, dict[str, tuple[str, object]]]:
    """Cut `Key: {…}` and `Key: […]` out of `line` where they are JSON that ends at a comma or at the line's end.

    Returns:
        What is left, and for each key the JSON as it is written and its value.
    """
    found: dict[str, tuple[str, object]] = {}
    kept: list[str] = []
    position = 0
    starts = (start for start in _START.finditer(line) if start["key"])
    for start in islice(starts, _MAXIMUM_JSON_FIELDS):
        try:
            value, end = _DECODER.raw_decode(line, start.end())
        except (ValueError, RecursionError):  # no JSON, or nested without end
            continue
        if start.start() >= position and line[end : end + 1] in ("", ","):
            found[start["key"]] = line[start.end() : end], value
            kept.append(line[position : start.start()])
            position = end
    kept.append(line[position:])
    return "".join(kept).lstrip(", "), found


def _model_hash(hashes: object) -> str | None:
    model = cast("dict[str, object]", hashes).get("model") if isinstance(hashes, dict) else None
    return model if isinstance(model, str) else None
