"""What makes the queue survive a crash: jobs are written down when they are queued, and crossed out when they end."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import TypeAdapter, ValidationError

from modules.core.errors import OutputError
from modules.core.job import Job
from modules.core.parameters import GenerationRequest
from modules.core.results import GeneratedImage
from modules.core.settings import Settings, setting_names
from modules.storage.sole_use import SoleUse

if TYPE_CHECKING:
    from modules.storage.queue_table import QueueRow, QueueTable

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0

_REQUEST: TypeAdapter[GenerationRequest] = TypeAdapter(GenerationRequest)
_PICTURE: TypeAdapter[GeneratedImage] = TypeAdapter(GeneratedImage)

Write = Callable[["QueueTable"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptJob:
    """A job that had not ended when the server did.

    Attributes:
        key: by which the journal knows it.
        job: the job, with its whole request.
        begun: how often it was begun.
        saved: its pictures that were saved and are still there, without their bytes.
    """

    key: int
    job: Job
    begun: int
    saved: tuple[GeneratedImage, ...]


class Journal(Protocol):
    """Where the queue writes its jobs down. Nothing here raises, and only `keep` and `left` wait for a disk."""

    def keep(self, job: Job) -> int | None:
        """Write a job down; return the key by which the other methods know it, None if it cannot be kept."""
        ...

    def begun(self, key: int) -> None:
        """Note that the worker gets the job."""
        ...

    def saved(self, key: int, picture: GeneratedImage) -> None:
        """Note that a picture of the job was made, if it was saved."""
        ...

    def put_off(self, key: int) -> None:
        """Note that the job was stopped in good order, to be begun again at the next start."""
        ...

    def ordered(self, keys: Sequence[int]) -> None:
        """Note in which order jobs are served."""
        ...

    def ended(self, key: int) -> None:
        """Cross a job out."""
        ...

    def left(self) -> list[KeptJob]:
        """Return the jobs that an earlier server left, the one that is served next first."""
        ...

    def close(self) -> None:
        """Write what is still to be written, and let go of the file."""
        ...


class NoJournal:
    """Keeps nothing: the queue ends with the program."""

    def keep(self, job: Job) -> int | None:  # noqa: ARG002 # the protocol's signature
        """See `Journal`."""
        return None

    def begun(self, key: int) -> None:
        """See `Journal`."""

    def saved(self, key: int, picture: GeneratedImage) -> None:
        """See `Journal`."""

    def put_off(self, key: int) -> None:
        """See `Journal`."""

    def ordered(self, keys: Sequence[int]) -> None:
        """See `Journal`."""

    def ended(self, key: int) -> None:
        """See `Journal`."""

    def left(self) -> list[KeptJob]:
        """See `Journal`."""
        return []

    def close(self) -> None:
        """See `Journal`."""


class FileJournal:
    """A journal in an SQLite file, which one server at a time writes to.

    A second server over the same data folder keeps no queue. Neither does one whose disk is full: pictures are made
    nevertheless, and the log says what is missing.

    Args:
        path: the SQLite file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sole_use = SoleUse(path.with_suffix(".lock"))
        self._lock = threading.Lock()
        self._tried = False
        self._table: QueueTable | None = None
        self._writes: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def keep(self, job: Job) -> int | None:
        """See `Journal`."""
        from modules.storage.queue_table import QueueRow  # noqa: PLC0415  # see `_open`

        row = QueueRow(
            job_id=job.id,
            created=job.created.isoformat(),
            request=job.request.model_dump_json(),
            settings=job.settings.model_dump_json(),
        )
        table = self._open()
        try:
            return table.add(row) if table else None
        except OutputError as error:
            self._give_up(error)
            return None

    def begun(self, key: int) -> None:
        """See `Journal`."""
        self._later(lambda table: table.count_begun(key, 1))

    def saved(self, key: int, picture: GeneratedImage) -> None:
        """See `Journal`."""
        if picture.path is not None and not picture.is_grid:
            text = _picture_json(picture)
            self._later(lambda table: table.add_picture(key, text))

    def put_off(self, key: int) -> None:
        """See `Journal`."""
        self._later(lambda table: table.count_begun(key, -1))

    def ordered(self, keys: Sequence[int]) -> None:
        """See `Journal`."""
        self._later(lambda table: table.order(keys))

    def ended(self, key: int) -> None:
        """See `Journal`."""
        self._later(lambda table: table.remove(key))

    def left(self) -> list[KeptJob]:
        """See `Journal`."""
        table = self._open() if self._path.exists() else None
        try:
            rows = table.read_all() if table else {}
        except OutputError as error:
            self._give_up(error)
            return []
        left: list[KeptJob] = []
        for key, row in rows.items():
            try:
                left.append(_kept(key, row))
            except (ValidationError, ValueError) as error:
                logger.warning("A job that was left over cannot be read, so it is not made: %s", error)
                self.ended(key)
        return left

    def close(self) -> None:
        """See `Journal`."""
        with self._lock:
            self._tried, thread = True, self._thread
            self._table = self._thread = None
        if thread:
            self._writes.put(None)
            thread.join(CLOSE_SECONDS)
        self._sole_use.release()

    def _open(self) -> QueueTable | None:
        """Open the file once, if no other server uses it."""
        with self._lock:
            if self._tried:
                return self._table
            self._tried = True
            if not self._sole_use.claim():
                logger.info("Another server keeps its queue in %s, so this one keeps none.", self._path)
                return None
            # SQLAlchemy takes 0.2 s to import; a program that queues nothing need not wait for it.
            from modules.storage.queue_table import QueueTable  # noqa: PLC0415  # see above

            try:
                self._table = QueueTable(self._path)
            except OutputError as error:
                logger.warning("The queue is not kept. %s", error)
                return None
            self._thread = threading.Thread(target=self._write, args=(self._table,), name="easel-queue", daemon=True)
            self._thread.start()
            return self._table

    def _later(self, write: Write) -> None:
        """Have something written by the journal's own thread: the queue never waits for a disk."""
        self._writes.put(write)

    def _write(self, table: QueueTable) -> None:
        while (write := self._writes.get()) is not None:
            try:
                write(table)
            except OutputError as error:
                self._give_up(error)
        table.close()

    def _give_up(self, error: OutputError) -> None:
        """Keep no more jobs; those that are kept already are still crossed out, if that can be."""
        with self._lock:
            if self._table is not None:
                logger.warning("From now on the queue is not kept. %s", error)
            self._table = None


def _picture_json(picture: GeneratedImage) -> str:
    """Return what is known of a saved picture, without its bytes."""
    known = {
        name: getattr(picture, name) for name in GeneratedImage.__dataclass_fields__ if name not in ("data", "path")
    }
    return json.dumps({**known, "path": str(picture.path)})


def _kept(key: int, row: QueueRow) -> KeptJob:
    """Read a row.

    Raises:
        ValidationError: it is of a version whose requests or settings were other ones.
        ValueError: it is damaged.
    """
    settings = {name: value for name, value in json.loads(row.settings).items() if name in setting_names()}
    pictures = [_PICTURE.validate_python({**json.loads(text), "data": b""}) for text in row.pictures]
    job = Job(
        id=row.job_id,
        request=_REQUEST.validate_json(row.request),
        settings=Settings.model_validate(settings),
        created=datetime.fromisoformat(row.created),
    )
    saved = tuple(picture for picture in pictures if picture.path and picture.path.is_file())
    return KeptJob(key=key, job=job, begun=row.begun, saved=saved)
