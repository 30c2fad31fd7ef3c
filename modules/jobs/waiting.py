"""The jobs that wait, in the order in which they are served."""

from collections.abc import Iterable, Iterator
from typing import Literal

from modules.core.errors import InvalidRequest
from modules.jobs.errors import QueueFull
from modules.jobs.record import Record

MAX_WAITING = 1000
MAX_WAITING_PICTURE_BYTES = 2**30
"""Of the pictures that waiting jobs brought along; one job alone may bring more."""

Step = Literal["up", "down", "first", "last"]


class WaitingLine:
    """Every method is called with the queue's lock held."""

    __slots__ = ("_records",)

    def __init__(self) -> None:
        self._records: list[Record] = []

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def add(self, record: Record) -> None:
        """Put a job behind the others."""
        self._records.append(record)

    def add_before_all(self, records: Iterable[Record]) -> None:
        """Put jobs before the others, in their order."""
        self._records[:0] = records

    def take(self) -> Record:
        """Take the next one out; there is one."""
        return self._records.pop(0)

    def remove(self, record: Record) -> None:
        """Take a job out."""
        self._records.remove(record)

    def move(self, record: Record, step: Step) -> None:
        """Serve a job sooner or later; at the end of the line nothing changes.

        Raises:
            InvalidRequest: it does not wait.
        """
        if record not in self._records:
            raise InvalidRequest("This job does not wait any more, so it cannot be moved.")
        place, last = self._records.index(record), len(self._records) - 1
        to = {"up": max(0, place - 1), "down": min(last, place + 1), "first": 0, "last": last}[step]
        self._records.insert(to, self._records.pop(place))

    def check_room(self, brought: int) -> None:
        """Check that one more job can wait that brings `brought` bytes of pictures along.

        Raises:
            QueueFull: too many wait, or their pictures take too much memory.
        """
        if len(self._records) >= MAX_WAITING:
            raise QueueFull(f"{MAX_WAITING} jobs wait already. Try again when some of them are done.")
        held = sum(waiting.picture_bytes() for waiting in self._records)
        if brought and self._records and held + brought > MAX_WAITING_PICTURE_BYTES:
            raise QueueFull(
                f"The {len(self._records)} jobs that wait hold {held // 2**20} MiB of pictures, and "
                f"{MAX_WAITING_PICTURE_BYTES // 2**20} MiB is the limit. Try again when some of them are done."
            )
