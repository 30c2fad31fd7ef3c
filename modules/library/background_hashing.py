"""Computes hashes of model files while nothing else is to be done."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator

from modules.core.cancellation import CancelToken
from modules.core.errors import EaselError, Interrupted
from modules.library.model_entry import ModelEntry
from modules.library.model_hashes import ModelHashes

log = logging.getLogger(__name__)

LOWEST_PRIORITY = 19  # of Linux; the kernel also lets such a thread's reads wait for those of others
STOP_TIMEOUT = 10.0  # seconds; a thread that reads from a drive which does not answer is left alone


class BackgroundHashing:
    """One thread that hashes one file after the other. A file that was interrupted is begun again another time."""

    def __init__(
        self,
        unhashed: Callable[[], Iterator[ModelEntry]],
        hash_file: Callable[[ModelEntry, CancelToken], ModelHashes],
        closing: CancelToken,
    ) -> None:
        """Do nothing yet.

        Args:
            unhashed: yields the files to be hashed; called again whenever `wake` was.
            hash_file: computes the hashes of a file and remembers them.
            closing: asks to stop.
        """
        self._unhashed = unhashed
        self._hash_file = hash_file
        self._closing = closing
        self._waking = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model hashes", daemon=True)

    def start(self) -> None:
        """Begin, once."""
        self._waking.set()
        self._thread.start()

    def wake(self) -> None:
        """Look for files to be hashed again."""
        self._waking.set()

    def close(self) -> None:
        """Wait until the thread has seen that it is to stop."""
        self._waking.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        while self._waking.wait() and not self._closing.interrupted:
            self._waking.clear()
            try:
                for entry in self._unhashed():
                    _lower_priority()
                    self._hash(entry)
            except Interrupted:
                return
            except Exception:  # the thread must be there for the files that come next
                log.exception("Hashing model files was broken off; it goes on after the next refresh.")

    def _hash(self, entry: ModelEntry) -> None:
        self._closing.check_interrupted()
        try:
            self._hash_file(entry, self._closing)
        except EaselError as error:  # also UnknownName: it is gone since it was listed
            log.warning("%s", error)


def _lower_priority() -> None:
    """Let all other threads go first. Only Linux knows a priority of single threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
