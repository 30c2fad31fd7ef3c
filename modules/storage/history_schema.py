"""The tables of the history."""

from sqlalchemy import Boolean, Column, Float, Integer, MetaData, Table, Text

_METADATA = MetaData()

RUNS = Table(
    "runs",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("checkpoint", Text, nullable=False),
    Column("checkpoint_hash", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("status", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("favourite", Boolean, nullable=False),
)

# Apart from the runs, so that a list does not read them.
RUN_FORMS = Table(
    "run_forms",
    _METADATA,
    Column("run", Integer, primary_key=True),
    Column("request", Text, nullable=False),
    Column("settings", Text, nullable=False),
)

# Apart from the runs, so that a search reads nothing else: 100,000 texts in a fifth of a second.
RUN_TEXTS = Table(
    "run_texts",
    _METADATA,
    Column("run", Integer, primary_key=True),
    Column("text", Text, nullable=False),
)

RUN_PICTURES = Table(
    "run_pictures",
    _METADATA,
    Column("run", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("path", Text),
    Column("infotext", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("subseed", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("kind", Text, nullable=False),
)

HISTORY_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL,
        created REAL NOT NULL,
        kind TEXT NOT NULL,
        prompt TEXT NOT NULL,
        seed INTEGER NOT NULL,
        checkpoint TEXT NOT NULL,
        checkpoint_hash TEXT NOT NULL,
        seconds REAL NOT NULL,
        status TEXT NOT NULL,
        message TEXT NOT NULL,
        favourite INTEGER NOT NULL
    )
    """,
    "CREATE INDEX runs_by_status ON runs (status, job_id)",
    "CREATE INDEX runs_by_favourite ON runs (favourite, id)",
    """
    CREATE TABLE run_forms (
        run INTEGER PRIMARY KEY,
        request TEXT NOT NULL,
        settings TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE run_texts (
        run INTEGER PRIMARY KEY,
        text TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE run_pictures (
        run INTEGER NOT NULL,
        number INTEGER NOT NULL,
        path TEXT,
        infotext TEXT NOT NULL,
        seed INTEGER NOT NULL,
        subseed INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        kind TEXT NOT NULL,
        PRIMARY KEY (run, number)
    ) WITHOUT ROWID
    """,
)
