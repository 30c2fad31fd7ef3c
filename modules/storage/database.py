"""The SQLite files of the data folder: opening, migrating, and surviving a damaged one."""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from sqlalchemy import URL, Column, Connection, Engine, Integer, MetaData, Table, Text, create_engine, event
from sqlalchemy.exc import DatabaseError

from modules.core.errors import OutputError
from modules.storage.set_aside import set_aside

log = logging.getLogger(__name__)

BUSY_TIMEOUT = 10.0  # seconds that a writer waits for another process

FILE_HASHES = Table(
    "file_hashes",
    MetaData(),
    Column("path", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
)

MODEL_FILES = Table(
    "model_files",
    MetaData(),
    Column("path", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("inode", Integer, nullable=False),
    Column("head", Text, nullable=False),
    Column("facts_version", Integer, nullable=False),
    Column("facts", Text, nullable=False),
    Column("beside_state", Text, nullable=False),
    Column("beside", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("tensors_sha256", Text, nullable=False),
)

# The steps by which the file of models came to its present form. `PRAGMA user_version` counts how many of its steps a
# file has been given. Only ever append, and only add to the schema, so that an older version of the program can go on
# using the file.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE file_hashes (
        path TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        sha256 TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE model_files (
        path TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        head TEXT NOT NULL,
        facts_version INTEGER NOT NULL,
        facts TEXT NOT NULL,
        beside_state TEXT NOT NULL,
        beside TEXT NOT NULL,
        alias TEXT NOT NULL,
        search_text TEXT NOT NULL,
        tensors_sha256 TEXT NOT NULL
    )
    """,
)


def open_database(path: Path, migrations: Sequence[str] | None = None) -> Engine:
    """Return an engine for the database at `path`, made and migrated where needed.

    A damaged file is set aside as `<name>.corrupt-<time>`, an empty one takes its place, and the log says so.

    Args:
        path: the file.
        migrations: the statements that make its schema, in their order; None for `MIGRATIONS`.

    Raises:
        OutputError: the file cannot be read or written.
    """
    steps = MIGRATIONS if migrations is None else migrations
    with reporting_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _prepared(path, steps)
        except DatabaseError as error:
            if not _is_damage(error):
                raise
        kept = set_aside(path)
        for journal in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + journal).rename(kept.with_name(kept.name + journal))
        log.warning("The database %s is damaged. It was kept as %s, and a new one begun.", path, kept.name)
        return _prepared(path, steps)


@contextlib.contextmanager
def reporting_errors(path: Path) -> Generator[None]:
    """Turn failures to read or write the database at `path` into an OutputError."""
    try:
        yield
    except (
        OSError,
        UnicodeEncodeError,
        OverflowError,
        DatabaseError,
    ) as error:  # SQLite takes no text that is not valid Unicode
        reason = error.orig if isinstance(error, DatabaseError) else error
        raise OutputError(
            f"The database {path} cannot be used: {reason}. Check the folder's rights and space."
        ) from error


def _prepared(path: Path, migrations: Sequence[str]) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_TIMEOUT})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            _check(connection)
            _migrate(connection, migrations)
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    """Let readers go on while another process writes, and write to the disk as often as that needs to be safe."""
    give_up = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # SQLite does not wait for other connections by itself when a new file changes its mode.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: Connection) -> None:
    """Begin every transaction here: the driver would leave changes of the schema out of it.

    The write lock is taken at once, so that two processes that start together migrate one after the other.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check(connection: Connection) -> None:
    """Read the whole file once, so that damage shows now and not in the middle of a job."""
    answer = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if answer != "ok":
        damage = sqlite3.DatabaseError(answer)
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise DatabaseError("PRAGMA quick_check", None, damage)


def _migrate(connection: Connection, migrations: Sequence[str]) -> None:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    for number, statement in enumerate(migrations[version:], start=version + 1):
        connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"PRAGMA user_version = {number}")


def _is_damage(error: DatabaseError) -> bool:
    code: object = getattr(error.orig, "sqlite_errorcode", None)
    # The low byte is the primary result code: https://www.sqlite.org/rescode.html
    return isinstance(code, int) and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
