"""Read and write a JSON file that holds one object, so that a crash never leaves half of it."""

import contextlib
import json
import math
import os
import secrets
import shutil
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from modules.core.errors import OutputError


class BrokenJsonFile(Exception):
    """The file can be read but holds no JSON object; the text says why."""


def read_json_object(path: Path) -> dict[str, JsonValue]:
    """Return the object in `path`, with its keys in their order.

    Raises:
        OSError: the file is missing or cannot be read.
        BrokenJsonFile: it does not hold a JSON object.
    """
    data = path.read_bytes()
    try:
        content: object = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested without end
        raise BrokenJsonFile(str(error)) from error
    if not isinstance(content, dict):
        raise BrokenJsonFile("it does not hold a JSON object")
    return cast("dict[str, JsonValue]", content)


def write_json_object(path: Path, content: dict[str, JsonValue]) -> None:
    """Replace `path` by `content`, or leave it as it is: a reader never sees half a file, not even after a crash.

    Raises:
        OutputError: it cannot be written.
    """
    # Halves of surrogate pairs have no UTF-8 form; backslashreplace turns them into JSON's own \\udxxx escapes.
    write_whole(path, json.dumps(content, indent=4, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def write_whole(path: Path, data: bytes) -> None:
    """Replace the file at `path` by one with `data`, or leave it as it is.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(None, "The file is read-only")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        reason = error.strerror or error
        raise OutputError(f"Cannot write {path}: {reason}. Check the folder's rights and its free space.") from error


def finite(value: JsonValue) -> JsonValue:
    """Return `value` with None for what Python's JSON has beyond the standard: NaN, Infinity and -Infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return value
