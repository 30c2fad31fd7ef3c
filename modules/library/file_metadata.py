"""All texts in a safetensors file's header, as A1111's API gives them."""

import json
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from modules.library.safetensors_header import read_header

_JSON = TypeAdapter[JsonValue](JsonValue)


def read_metadata(path: Path) -> dict[str, JsonValue]:
    """Return the `__metadata__` of the file at `path`; texts that are JSON objects are given as such.

    {} for a file that cannot be read or is of another kind. All of it can be sent as JSON.
    """
    header = read_header(path)
    return {_clean(name): _parsed(_clean(text)) for name, text in header.texts.items()} if header else {}


def _parsed(text: str) -> JsonValue:
    if text.startswith("{"):
        try:
            value: JsonValue = json.loads(text)
            _JSON.dump_json(_JSON.validate_python(value))  # not too deep, and no halves of surrogate pairs
        except (ValueError, RecursionError):  # pydantic's errors are ValueErrors
            return text
        return value
    return text


def _clean(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can say and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
