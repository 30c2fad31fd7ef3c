"""The history in its tables. SQLAlchemy is imported here, so import this only when it is needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from modules.core.errors import UnknownName
from modules.storage.database import open_database, reporting_errors
from modules.storage.history_entry import (
    HistoryPage,
    PictureKind,
    RunEnd,
    RunPicture,
    RunRow,
    RunStart,
    RunStatus,
    WholeRun,
)
from modules.storage.history_schema import HISTORY_MIGRATIONS, RUN_FORMS, RUN_PICTURES, RUN_TEXTS, RUNS

MAX_RUNS = 100_000
"""Older runs are forgotten, favourites excepted; their pictures stay."""


class HistoryTable:
    """Every method is one transaction and raises OutputError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        """Open the file `path`, which is made if it is missing."""
        self._path = path
        self._engine = open_database(path, HISTORY_MIGRATIONS)

    def begin(self, start: RunStart) -> int:
        """Note that a run begins, or that one that was cut off goes on; return its id."""
        values = {name: getattr(start, name) for name in ("job_id", "created", "kind", "prompt", "seed", "checkpoint")}
        unfinished = select(RUNS.c.id).where(
            RUNS.c.job_id == start.job_id, RUNS.c.status.in_([RunStatus.RUNNING, RunStatus.CUT_OFF])
        )
        with reporting_errors(self._path), self._engine.begin() as connection:
            before = connection.execute(unfinished.order_by(RUNS.c.id.desc()).limit(1)).scalar()
            if before is not None:
                connection.execute(update(RUNS).where(RUNS.c.id == before).values(status=RunStatus.RUNNING))
                connection.execute(delete(RUN_PICTURES).where(RUN_PICTURES.c.run == before))
                return int(before)
            added = connection.execute(
                insert(RUNS).values(
                    checkpoint_hash="", seconds=0.0, status=RunStatus.RUNNING, message="", favourite=False, **values
                )
            ).inserted_primary_key
            run = int(added[0]) if added else 0
            connection.execute(insert(RUN_FORMS).values(run=run, request=start.request, settings=start.settings))
            connection.execute(insert(RUN_TEXTS).values(run=run, text=start.search_text.casefold()))
            self._forget_oldest(connection)
        return run

    def add_picture(self, run: int, number: int, picture: RunPicture) -> None:
        """Note that picture `number` of a run, from 0, is there."""
        with reporting_errors(self._path), self._engine.begin() as connection:
            connection.execute(insert(RUN_PICTURES).prefix_with("OR REPLACE"), [_picture_values(run, number, picture)])

    def end(self, run: int, end: RunEnd, search_text: str) -> None:
        """Note how a run ended; a search looks through `search_text`, too."""
        values: dict[str, Any] = {"status": end.status, "seconds": end.seconds, "message": end.message}
        if end.checkpoint is not None:
            values |= {"checkpoint": end.checkpoint, "checkpoint_hash": end.checkpoint_hash or ""}
        text = RUN_TEXTS.c.text.op("||")("\n" + search_text.casefold())
        pictures = [_picture_values(run, number, picture) for number, picture in enumerate(end.pictures)]
        with reporting_errors(self._path), self._engine.begin() as connection:
            connection.execute(update(RUNS).where(RUNS.c.id == run).values(**values))
            connection.execute(update(RUN_TEXTS).where(RUN_TEXTS.c.run == run).values(text=text))
            connection.execute(delete(RUN_PICTURES).where(RUN_PICTURES.c.run == run))
            if pictures:
                connection.execute(insert(RUN_PICTURES), pictures)

    def end_what_was_cut_off(self) -> None:
        """Note of all runs that are said to be running that they are not."""
        statement = update(RUNS).where(RUNS.c.status == RunStatus.RUNNING).values(status=RunStatus.CUT_OFF)
        with reporting_errors(self._path), self._engine.begin() as connection:
            connection.execute(statement)

    def page(self, search: str, *, start: int = 0, count: int = 60, favourites: bool = False) -> HistoryPage:
        """Return a part of the runs that a search finds, newest first.

        Args:
            search: words, all of which must occur in a run's prompts, names of models, seeds or date (2026-11-20).
            start: how many of those found are left out.
            count: how many are returned at most.
            favourites: only those that a person has marked.
        """
        found = _found(search, favourites=favourites)
        query = found.with_only_columns(RUNS).order_by(RUNS.c.id.desc()).offset(start).limit(count)
        with reporting_errors(self._path), self._engine.begin() as connection:
            total = connection.execute(found.with_only_columns(func.count())).scalar_one()
            runs = tuple(_row(row) for row in connection.execute(query))
            pictures = _pictures(connection, [run.id for run in runs])
        return HistoryPage(total=total, runs=runs, pictures=tuple(pictures.get(run.id, ()) for run in runs))

    def find(self, run: int) -> WholeRun:
        """Return all that is known of a run.

        Raises:
            UnknownName: there is no such run.
        """
        query = select(RUNS, RUN_FORMS.c.request, RUN_FORMS.c.settings).join(RUN_FORMS, RUN_FORMS.c.run == RUNS.c.id)
        with reporting_errors(self._path), self._engine.begin() as connection:
            found = connection.execute(query.where(RUNS.c.id == run)).first()
            pictures = _pictures(connection, [run])
        if found is None:
            raise _unknown(run)
        return WholeRun(row=_row(found), request=found.request, settings=found.settings, pictures=pictures.get(run, ()))

    def mark(self, run: int, *, favourite: bool) -> None:
        """Mark a run as a favourite, or no longer.

        Raises:
            UnknownName: there is no such run.
        """
        with reporting_errors(self._path), self._engine.begin() as connection:
            changed = connection.execute(update(RUNS).where(RUNS.c.id == run).values(favourite=favourite)).rowcount
        if not changed:
            raise _unknown(run)

    def forget(self, run: int) -> None:
        """Forget a run; its pictures stay where they are.

        Raises:
            UnknownName: there is no such run.
        """
        with reporting_errors(self._path), self._engine.begin() as connection:
            if not _delete(connection, [run]):
                raise _unknown(run)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _forget_oldest(self, connection: Connection) -> None:
        plain = select(RUNS.c.id).where(RUNS.c.favourite == False)  # noqa: E712  # SQL
        too_many = connection.execute(select(func.count()).select_from(RUNS)).scalar_one() - MAX_RUNS
        if too_many > 0:
            oldest = connection.execute(plain.order_by(RUNS.c.id).limit(too_many)).scalars().all()
            _delete(connection, oldest)


def _delete(connection: Connection, runs: Sequence[int]) -> int:
    for table in (RUN_FORMS, RUN_TEXTS, RUN_PICTURES):
        connection.execute(delete(table).where(table.c.run.in_(runs)))
    return connection.execute(delete(RUNS).where(RUNS.c.id.in_(runs))).rowcount


def _unknown(run: int) -> UnknownName:
    return UnknownName(f"The history has no run {run}; it may have been removed. Look through the history anew.")


def _found(search: str, *, favourites: bool) -> Select[Any]:
    query = select(RUNS.c.id).select_from(RUNS)
    if words := search.casefold().split():
        query = query.join(RUN_TEXTS, RUN_TEXTS.c.run == RUNS.c.id)
        query = query.where(*(func.instr(RUN_TEXTS.c.text, word) > 0 for word in words))
    return query.where(RUNS.c.favourite) if favourites else query


def _row(row: Row[Any]) -> RunRow:
    values: dict[str, Any] = {name: getattr(row, name) for name in RunRow.__dataclass_fields__}
    values["status"] = RunStatus(row.status)
    return RunRow(**values)


def _picture_values(run: int, number: int, picture: RunPicture) -> dict[str, Any]:
    values = {name: getattr(picture, name) for name in RunPicture.__dataclass_fields__}
    path = None if picture.path is None else str(picture.path)
    return {**values, "path": path, "run": run, "number": number}


def _pictures(connection: Connection, runs: Sequence[int]) -> dict[int, tuple[RunPicture, ...]]:
    """Return the pictures of runs, by run."""
    query = select(RUN_PICTURES).where(RUN_PICTURES.c.run.in_(runs)).order_by(RUN_PICTURES.c.run, RUN_PICTURES.c.number)
    found: dict[int, list[RunPicture]] = {}
    for row in connection.execute(query):
        picture = RunPicture(
            path=None if row.path is None else Path(row.path),
            infotext=row.infotext,
            seed=row.seed,
            subseed=row.subseed,
            width=row.width,
            height=row.height,
            kind=PictureKind(row.kind),
        )
        found.setdefault(row.run, []).append(picture)
    return {run: tuple(pictures) for run, pictures in found.items()}
