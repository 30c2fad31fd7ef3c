"""The history of all runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from modules.core.paths import Paths

if TYPE_CHECKING:
    from modules.storage.history_table import HistoryTable


class History:
    """What was made, when and how, in a file of its own: it grows large, and is no part of what a start has to read.

    Args:
        path: the SQLite file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._table: HistoryTable | None = None

    @property
    def runs(self) -> HistoryTable:
        """The runs, for use by any thread. The file is opened when this is first asked for.

        Raises:
            OutputError: it cannot be used; the next time it is tried again.
        """
        # SQLAlchemy takes 0.2 s to import; whoever asks for no run need not wait for it.
        from modules.storage.history_table import HistoryTable  # noqa: PLC0415  # see above

        with self._lock:
            if self._table is None:
                self._table = HistoryTable(self._path)
            return self._table

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._table is not None:
                self._table.close()
            self._table = None


def open_history(paths: Paths) -> History:
    """Return the history of the data folder."""
    return History(paths.data / "history.sqlite3")
