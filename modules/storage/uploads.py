"""Pictures that the page has sent and forms name: kept for a day, so that a form survives a reload and a restart."""

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path

from modules.core.errors import OutputError, UnknownName
from modules.storage.json_file import write_whole

SECONDS_KEPT = 24 * 3600
MOST_BYTES = 2 * 2**30
_ID = re.compile(r"[0-9a-f]{64}")


class Uploads:
    """Files by the sha256 of what is in them."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which need not exist yet."""
        self._folder = folder

    def keep(self, data: bytes) -> str:
        """Keep `data` and return its id. Old ones make room.

        Raises:
            OutputError: it cannot be written.
        """
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / name
        if path.exists():
            with contextlib.suppress(OSError):
                path.touch()
            return name
        self._make_room(len(data))
        write_whole(path, data)
        return name

    def read(self, name: str) -> bytes:
        """Return what was kept under the id `name`.

        Raises:
            UnknownName: nothing is, or not any more.
        """
        if _ID.fullmatch(name):
            with contextlib.suppress(OSError):
                os.utime(self._folder / name)  # what is in use stays
                return (self._folder / name).read_bytes()
        raise UnknownName("The picture is no longer on the server. Choose it again.")

    def _make_room(self, needed: int) -> None:
        """Delete what is old, then the oldest until the rest and `needed` bytes fit."""
        found: list[tuple[float, int, Path]] = []
        try:
            for path in self._folder.iterdir():
                with contextlib.suppress(OSError):  # another one has just deleted it
                    state = path.stat()
                    found.append((state.st_mtime, state.st_size, path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(
                f"Cannot look into {self._folder}: {error.strerror}. Check the folder's rights."
            ) from error
        total = needed + sum(size for _, size, _ in found)
        for modified, size, path in sorted(found):
            if time.time() - modified > SECONDS_KEPT or total > MOST_BYTES:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                total -= size
