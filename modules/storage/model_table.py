"""The table of what is known of model files. SQLAlchemy is imported here, so import this only when it is needed."""

from collections.abc import Collection, Mapping
from pathlib import Path

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from modules.storage.database import MODEL_FILES, open_database, reporting_errors
from modules.storage.model_row import ModelRow


class ModelTable:
    """Rows of `MODEL_FILES`; every method is one transaction and raises OutputError when the file cannot be used."""

    def __init__(self, database: Path) -> None:
        """Open the database, which is made if it is missing."""
        self._database = database
        self._engine = open_database(database)

    def read_all(self) -> dict[str, ModelRow]:
        """Return everything that is remembered, by absolute path."""
        query = select(MODEL_FILES.c.path, *(MODEL_FILES.c[name] for name in ModelRow._fields))
        with reporting_errors(self._database), self._engine.begin() as connection:
            return {path: ModelRow(*row) for path, *row in connection.execute(query).tuples().all()}

    def write(self, rows: Mapping[str, ModelRow]) -> None:
        """Remember `rows` by absolute path, instead of what was remembered before."""
        if not rows:
            return
        statement = insert(MODEL_FILES)
        statement = statement.on_conflict_do_update(
            index_elements=[MODEL_FILES.c.path], set_={name: statement.excluded[name] for name in ModelRow._fields}
        )
        with reporting_errors(self._database), self._engine.begin() as connection:
            connection.execute(statement, [{"path": path, **row._asdict()} for path, row in rows.items()])

    def forget(self, paths: Collection[str]) -> None:
        """Forget the files at `paths`."""
        if not paths:
            return
        statement = delete(MODEL_FILES).where(MODEL_FILES.c.path == bindparam("gone"))
        with reporting_errors(self._database), self._engine.begin() as connection:
            connection.execute(statement, [{"gone": path} for path in paths])

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()
