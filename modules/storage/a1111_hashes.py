"""Hashes that an existing A1111 installation has already computed (`cache.json`); read, never written."""

import json
import logging
from functools import cached_property
from pathlib import Path
from typing import cast

log = logging.getLogger(__name__)

MTIME_TOLERANCE = 1.0  # seconds: A1111 stores a float, and some file systems round


class A1111Hashes:
    """sha256 sums by A1111's own keys, such as `checkpoint/sub/model.safetensors`."""

    def __init__(self, path: Path) -> None:
        """Read `path` when the first hash is asked for; a missing or damaged file knows nothing."""
        self._path = path

    @cached_property
    def _known(self) -> dict[str, tuple[float, str]]:
        return _read(self._path)

    def get(self, key: str, file: Path) -> str | None:
        """Return the sha256 stored under `key` if `file` has not changed since it was stored."""
        known = self._known.get(key)
        if known is None:
            return None
        mtime, sha256 = known
        try:
            unchanged = abs(file.stat().st_mtime - mtime) < MTIME_TOLERANCE
        except OSError:
            return None
        return sha256 if unchanged else None


def _read(path: Path) -> dict[str, tuple[float, str]]:
    try:
        content: object = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("A1111's %s cannot be read and is left alone: %s", path, error)
        return {}
    hashes = _mapping(_mapping(content).get("hashes"))
    known: dict[str, tuple[float, str]] = {}
    for key, value in hashes.items():
        entry = _mapping(value)
        mtime, sha256 = entry.get("mtime"), entry.get("sha256")
        if isinstance(mtime, int | float) and isinstance(sha256, str) and len(sha256) == 64:
            known[key] = (mtime, sha256)
    return known


def _mapping(value: object) -> dict[str, object]:
    """Return `value` if it is a JSON object, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
