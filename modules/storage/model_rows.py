"""What is remembered of model files, so that each of them is read only once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from modules.core.errors import OutputError
from modules.storage.model_row import ModelRow

if TYPE_CHECKING:
    from modules.storage.model_table import ModelTable

log = logging.getLogger(__name__)


class ModelRows:
    """Rows by absolute path, in memory and in the database. Safe to use from several threads.

    Everything remembered is read when it is first asked for, and the database is imported no sooner. What another
    process adds is seen at the next start. Where the database cannot be used, rows are kept until the program ends, and
    the log says so.
    """

    def __init__(self, database: Path) -> None:
        """Remember in the SQLite file `database`, which need not exist yet."""
        self._database = database
        self._lock = threading.Lock()
        self._opened = False
        self._table: ModelTable | None = None
        self._rows: dict[str, ModelRow] = {}

    def get(self, path: str) -> ModelRow | None:
        """Return what is remembered of the file at the absolute `path`."""
        with self._lock:
            self._open()
            return self._rows.get(path)

    def all(self) -> dict[str, ModelRow]:
        """Return everything that is remembered."""
        with self._lock:
            self._open()
            return dict(self._rows)

    def put(self, rows: Mapping[str, ModelRow]) -> None:
        """Remember `rows` instead of what was remembered of the same paths."""
        with self._lock:
            self._open()
            self._rows.update(rows)
            if self._table is not None:
                try:
                    self._table.write(rows)
                except OutputError as error:
                    self._give_up(error)

    def forget(self, paths: Collection[str]) -> None:
        """Remember nothing of the files at `paths`."""
        with self._lock:
            self._open()
            for path in paths:
                self._rows.pop(path, None)
            if self._table is not None:
                try:
                    self._table.forget(paths)
                except OutputError as error:
                    self._give_up(error)

    def close(self) -> None:
        """Let go of the database; rows stay in memory."""
        with self._lock:
            if self._table is not None:
                self._table.close()

    def _open(self) -> None:
        """Read the database once."""
        if self._opened:
            return
        self._opened = True
        # SQLAlchemy takes 0.2 s to import; whoever asks for no model need not wait for it.
        from modules.storage.model_table import ModelTable  # noqa: PLC0415  # see above

        try:
            self._table = ModelTable(self._database)
            self._rows = self._table.read_all()
        except OutputError as error:
            self._give_up(error)

    def _give_up(self, error: OutputError) -> None:
        self._table = None
        log.warning("What model files say about themselves is read again at the next start. %s", error)
