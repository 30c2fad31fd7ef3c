"""All texts in a safetensors file's header, as A1111's API gives them."""

import json
from pathlib import Path

from pydantic import JsonValue

from modules.library.safetensors_header import read_header


def read_metadata(path: Path) -> dict[str, JsonValue]:
    """Return the `__metadata__` of the file at `path`; texts that are JSON objects are given as such.

    {} for a file that cannot be read or is of another kind.
    """
    header = read_header(path)
    return {name: _parsed(text) for name, text in header.texts.items()} if header else {}


def _parsed(text: str) -> JsonValue:
    if text.startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return text
