"""The token by which a running job is asked to stop or to skip a batch."""

import threading

from modules.core.errors import Interrupted, Skipped


class CancelToken:
    """Set from any thread, checked by the worker before every model call, between stages and between pictures."""

    __slots__ = ("_interrupted", "_skipped")

    def __init__(self) -> None:
        self._interrupted = threading.Event()
        self._skipped = threading.Event()

    @property
    def interrupted(self) -> bool:
        """Whether the job was asked to stop."""
        return self._interrupted.is_set()

    @property
    def skipped(self) -> bool:
        """Whether the current batch was asked to stop."""
        return self._skipped.is_set()

    def interrupt(self) -> None:
        """Ask the job to stop at its next check."""
        self._interrupted.set()

    def skip(self) -> None:
        """Ask the job to leave the current batch at its next check."""
        self._skipped.set()

    def begin_batch(self) -> None:
        """Forget a request to skip that came when there was no batch to leave."""
        self._skipped.clear()

    def check_interrupted(self) -> None:
        """Return quietly, or leave the work, in places where there is nothing to skip.

        Raises:
            Interrupted: the job was asked to stop.
        """
        if self._interrupted.is_set():
            raise Interrupted

    def check(self) -> None:
        """Return quietly, or leave the work.

        Raises:
            Interrupted: the job was asked to stop.
            Skipped: the batch was asked to stop; the request to skip is thereby used up.
        """
        self.check_interrupted()
        if self._skipped.is_set():
            self._skipped.clear()
            raise Skipped
