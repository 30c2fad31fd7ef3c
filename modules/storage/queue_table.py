"""The jobs that have not ended, as a crash of the server leaves them. SQLAlchemy is imported here, so import this only
when it is needed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, delete, insert, select, update

from modules.storage.database import open_database, reporting_errors

_METADATA = MetaData()

QUEUE = Table(
    "queue",
    _METADATA,
    Column("key", Integer, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("begun", Integer, nullable=False),
)

QUEUE_PICTURES = Table(
    "queue_pictures",
    _METADATA,
    Column("number", Integer, primary_key=True),
    Column("key", Integer, nullable=False),
    Column("picture", Text, nullable=False),
)

QUEUE_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE queue (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        place INTEGER NOT NULL,
        job_id TEXT NOT NULL,
        created TEXT NOT NULL,
        request TEXT NOT NULL,
        settings TEXT NOT NULL,
        begun INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE queue_pictures (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key INTEGER NOT NULL,
        picture TEXT NOT NULL
    )
    """,
)


class QueueRow(NamedTuple):
    """A job that has not ended.

    Attributes:
        job_id: the job's id.
        created: when it was submitted, ISO 8601.
        request: JSON of what was asked for, with the pictures it brought along.
        settings: JSON of its settings.
        begun: how often it was begun.
        pictures: JSON of each saved picture, in the order they were made.
    """

    job_id: str
    created: str
    request: str
    settings: str
    begun: int = 0
    pictures: tuple[str, ...] = ()


class QueueTable:
    """Every method is one transaction and raises OutputError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        """Open the file `path`, which is made if it is missing."""
        self._path = path
        self._engine = open_database(path, QUEUE_MIGRATIONS)

    def add(self, row: QueueRow) -> int:
        """Add a job behind the others and return the key by which the other methods know it."""
        values = row._asdict()
        del values["pictures"]
        with reporting_errors(self._path), self._engine.begin() as connection:
            added = connection.execute(insert(QUEUE).values(place=0, **values)).inserted_primary_key
            key: int = added[0] if added else 0
            connection.execute(update(QUEUE).where(QUEUE.c.key == key).values(place=key))
        return key

    def read_all(self) -> dict[int, QueueRow]:
        """Return all jobs by key, the one that is served next first."""
        with reporting_errors(self._path), self._engine.begin() as connection:
            pictures: dict[int, list[str]] = {}
            query = select(QUEUE_PICTURES.c.key, QUEUE_PICTURES.c.picture).order_by(QUEUE_PICTURES.c.number)
            for key, picture in connection.execute(query).tuples():
                pictures.setdefault(key, []).append(picture)
            columns = [QUEUE.c[name] for name in QueueRow._fields if name != "pictures"]
            rows = connection.execute(select(QUEUE.c.key, *columns).order_by(QUEUE.c.place, QUEUE.c.key)).tuples().all()
        return {key: QueueRow(*row, pictures=tuple(pictures.get(key, ()))) for key, *row in rows}

    def add_picture(self, key: int, picture: str) -> None:
        """Note that a picture of a job was saved."""
        with reporting_errors(self._path), self._engine.begin() as connection:
            connection.execute(insert(QUEUE_PICTURES).values(key=key, picture=picture))

    def count_begun(self, key: int, change: int) -> None:
        """Note that a job was begun (1), or that this beginning does not count (-1)."""
        statement = update(QUEUE).where(QUEUE.c.key == key).values(begun=QUEUE.c.begun + change)
        with reporting_errors(self._path), self._engine.begin() as connection:
            connection.execute(statement)

    def order(self, keys: Sequence[int]) -> None:
        """Note in which order jobs are served; they take the places that they have together."""
        with reporting_errors(self._path), self._engine.begin() as connection:
            query = select(QUEUE.c.place).where(QUEUE.c.key.in_(keys)).order_by(QUEUE.c.place)
            places = connection.execute(query).scalars().all()
            known = connection.execute(select(QUEUE.c.key).where(QUEUE.c.key.in_(keys))).scalars().all()
            ordered = [key for key in keys if key in set(known)]
            statement = update(QUEUE).where(QUEUE.c.key == bindparam("moved")).values(place=bindparam("to"))
            moved = [{"moved": key, "to": place} for key, place in zip(ordered, places, strict=True)]
            if moved:
                connection.execute(statement, moved)

    def remove(self, key: int) -> None:
        """Forget a job."""
        with reporting_errors(self._path), self._engine.begin() as connection:
            for table in (QUEUE, QUEUE_PICTURES):
                connection.execute(delete(table).where(table.c.key == key))

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()
