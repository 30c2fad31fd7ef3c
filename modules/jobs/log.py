"""What was said about one job, for readers who come late or read slowly."""

from collections.abc import Callable

from modules.core.events import ImageReady, JobEvent, TerminalEvent


class EventLog:
    """The events of one job in order, numbered from 1.

    `Queued`, `Started`, `ModelLoading`, `Progress` and `Preview` only tell how things stand, so a newer one takes the
    place of the older one of its kind. That bounds the log by the number of pictures, and a slow reader loses nothing.
    """

    __slots__ = ("_entries", "_last")

    def __init__(self) -> None:
        self._entries: dict[type[JobEvent] | int, tuple[int, JobEvent]] = {}
        self._last = 0

    def append(self, event: JobEvent) -> None:
        """Add the newest event."""
        self._last += 1
        key = self._last if isinstance(event, ImageReady | TerminalEvent) else type(event)
        # taken out first: a dict keeps the place of a key that is overwritten, and the order must be that of the events
        self._entries.pop(key, None)
        self._entries[key] = (self._last, event)

    def after(self, number: int) -> list[tuple[int, JobEvent]]:
        """Return the events later than `number`, with their numbers."""
        found: list[tuple[int, JobEvent]] = []
        for entry in reversed(self._entries.values()):
            if entry[0] <= number:
                break
            found.append(entry)
        return found[::-1]

    def rewrite(self, change: Callable[[JobEvent], JobEvent | None]) -> None:
        """Replace every event by `change(event)`, or drop it where that is None; the others keep their numbers."""
        changed = ((key, number, change(event)) for key, (number, event) in self._entries.items())
        self._entries = {key: (number, event) for key, number, event in changed if event is not None}
