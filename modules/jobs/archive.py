"""The jobs that have ended, kept for pages that are reloaded, within bounds."""

from collections import deque

from modules.jobs.record import Record

KEPT_JOBS = 64
KEPT_PICTURE_BYTES = 512 * 2**20


class Archive:
    """The jobs that ended last.

    The rule: at most `KEPT_JOBS` jobs, and at most `KEPT_PICTURE_BYTES` of pictures in memory, newest first; those that
    requests brought along count, too. An older job beyond that keeps its saved pictures with empty `data` (they are to
    be read from `path`), loses those that were never saved, and empties those of its request. The newest job always
    keeps all, since somebody is just about to fetch it.
    """

    __slots__ = ("_ended",)

    def __init__(self) -> None:
        self._ended: deque[Record] = deque()

    def newest_first(self) -> list[Record]:
        """Return all of them."""
        return list(reversed(self._ended))

    def add(self, record: Record) -> list[Record]:
        """Take in a job that has just ended; return those that are thereby forgotten."""
        self._ended.append(record)
        forgotten = [self._ended.popleft() for _ in range(len(self._ended) - KEPT_JOBS)]
        in_memory = record.picture_bytes()
        for older in list(self._ended)[-2::-1]:
            in_memory += older.picture_bytes()
            if in_memory > KEPT_PICTURE_BYTES:
                older.forget_picture_bytes()
        return forgotten

    def remove(self, record: Record) -> None:
        """Forget a job, because another one takes its id."""
        self._ended.remove(record)
