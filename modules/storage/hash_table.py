"""The table of remembered file hashes in the database."""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from modules.storage.database import FILE_HASHES, open_database, reporting_errors
from modules.storage.file_hash import FileHash


class HashTable:
    """Rows of `FILE_HASHES`; every method is one transaction and raises OutputError when the file cannot be used."""

    def __init__(self, database: Path) -> None:
        """Open the database, which is made if it is missing."""
        self._database = database
        self._engine = open_database(database)

    def read_all(self) -> dict[str, FileHash]:
        """Return everything that is remembered, by absolute path."""
        columns = FILE_HASHES.c
        query = select(columns.path, columns.size, columns.mtime_ns, columns.sha256)
        with reporting_errors(self._database), self._engine.begin() as connection:
            return {path: FileHash(*row) for path, *row in connection.execute(query).tuples()}

    def write(self, path: str, row: FileHash) -> None:
        """Remember `row` for the file at the absolute `path`, instead of what was remembered before."""
        values = row._asdict()
        statement = insert(FILE_HASHES).values(path=path, **values)
        statement = statement.on_conflict_do_update(index_elements=[FILE_HASHES.c.path], set_=values)
        with reporting_errors(self._database), self._engine.begin() as connection:
            connection.execute(statement)
