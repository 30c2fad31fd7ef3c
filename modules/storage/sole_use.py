"""A claim that only one process at a time can hold, and that ends with the process, however it ends."""

import sqlite3
from pathlib import Path


class SoleUse:
    """Holds on to a file until `release`, or until the process ends.

    SQLite's own locks serve for this: they are the operating system's, so they work everywhere and never outlive a
    process that was killed.

    Args:
        path: of a file that serves for nothing else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def claim(self) -> bool:
        """Take hold of the file; False if another process has it, or it cannot be written."""
        if self._connection is not None:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error):
            return False
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error:
            connection.close()
            return False
        self._connection = connection
        return True

    def release(self) -> None:
        """Let go; may be called again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
