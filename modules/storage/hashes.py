"""Remembered sha256 sums of files, so that a model of many GB is read for its hash only once."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from modules.core.errors import OutputError
from modules.storage.file_hash import FileHash

if TYPE_CHECKING:
    from modules.storage.hash_table import HashTable

log = logging.getLogger(__name__)


class HashCache:
    """sha256 sums by absolute path, valid while the file's size and time of change stay the same.

    Everything remembered is read when it is first asked for, and the database is imported no sooner. Safe to use from
    several threads; what another process adds is seen at the next start. Where the database cannot be used, sums are
    kept until the program ends, and the log says so.
    """

    def __init__(self, database: Path) -> None:
        """Remember in the SQLite file `database`, which need not exist yet."""
        self._database = database
        self._lock = threading.Lock()
        self._opened = False
        self._table: HashTable | None = None
        self._rows: dict[str, FileHash] = {}

    def get(self, file: Path) -> str | None:
        """Return the sha256 of `file` (64 hex digits) if it is known and the file has not changed since."""
        path = str(file.absolute())
        with self._lock:
            self._open()
            row = self._rows.get(path)
        if row is None:
            return None
        try:
            stat = file.stat()
        except OSError:
            return None
        return row.sha256 if row.fits(stat) else None

    def put(self, file: Path, sha256: str) -> None:
        """Remember the sha256 of `file` as it is now; a file that is gone by now is not remembered."""
        try:
            stat = file.stat()
        except OSError:
            return
        path, row = str(file.absolute()), FileHash(stat.st_size, stat.st_mtime_ns, sha256)
        with self._lock:
            self._open()
            self._rows[path] = row
            if self._table is not None:
                try:
                    self._table.write(path, row)
                except OutputError as error:
                    log.warning("The hash of %s is forgotten when the program ends. %s", file.name, error)

    def get_unread(self, file: Path, size: int, mtime_ns: int) -> str | None:
        """Return the sha256 that `file` had when it had this size and time; it is not looked at and may be gone."""
        with self._lock:
            self._open()
            row = self._rows.get(str(file.absolute()))
        return row.sha256 if row is not None and (row.size, row.mtime_ns) == (size, mtime_ns) else None

    def _open(self) -> None:
        """Read the database once."""
        if self._opened:
            return
        self._opened = True
        # SQLAlchemy takes 0.2 s to import; whoever asks for no hash need not wait for it.
        from modules.storage.hash_table import HashTable  # noqa: PLC0415  # see above

        try:
            self._table = HashTable(self._database)
            self._rows = self._table.read_all()
        except OutputError as error:
            log.warning("Hashes of model files are forgotten when the program ends. %s", error)
