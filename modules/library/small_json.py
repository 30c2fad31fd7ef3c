"""JSON files beside models and in diffusers folders, which anybody may have written."""

import logging
from pathlib import Path

from pydantic import JsonValue

from modules.storage.json_file import BrokenJsonFile, read_json_object

log = logging.getLogger(__name__)

MAX_BYTES = 8 * 2**20  # what civitai says of a model with hundreds of versions has 1 MiB


def read_small_json(path: Path) -> dict[str, JsonValue]:
    """Return the JSON object in the file at `path`; an empty one if there is none, or no file, or one of no use."""
    try:
        if path.stat().st_size <= MAX_BYTES:
            return read_json_object(path)
        log.warning("%s is not read: it is larger than %s MiB.", path, MAX_BYTES // 2**20)
    except FileNotFoundError:
        pass
    except (OSError, BrokenJsonFile) as error:
        log.warning("%s cannot be read and is left alone: %s", path, error)
    return {}


def text_of(value: JsonValue | None, limit: int) -> str:
    """Return `value` as text of at most `limit` characters that any file can hold; "" if it is no text."""
    if not isinstance(value, str):
        return ""
    # JSON may name halves of surrogate pairs, which have no UTF-8 form.
    return value[:limit].encode("utf-8", "replace").decode("utf-8").strip()


def texts_of(value: JsonValue | None, *, limit: int, count: int) -> tuple[str, ...]:
    """Return the different texts in the list `value`, at most `count`; () if it is no list."""
    found = (text_of(item, limit) for item in value) if isinstance(value, list) else ()
    return tuple(dict.fromkeys(filter(None, found)))[:count]
