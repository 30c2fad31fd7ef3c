"""What the queue asks of whoever runs the jobs. Nothing that crosses these seams is a tensor, and only `emit` is a
callable, so a worker may as well live in another process.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from modules.core.cancellation import CancelToken
from modules.core.capabilities import Capabilities
from modules.core.events import JobEvent
from modules.core.job import Job


class Worker(Protocol):
    """Runs one job at a time."""

    def run(self, job: Job) -> Iterator[JobEvent]:
        """Run `job` and yield what happens: `Started` first, exactly one of `Finished`, `Failed`, `Cancelled` last.

        From the moment this returns, `interrupt` and `skip` reach the job. Closing the iterator early cancels it.
        """
        ...

    def interrupt(self, job_id: str) -> None:
        """Ask the job to stop at its next step and to keep what is finished; nothing happens if it is not running."""
        ...

    def skip(self, job_id: str) -> None:
        """Ask the job to go on with its next batch; nothing happens if it is not running."""
        ...

    def describe(self) -> Capabilities:
        """Say what the worker offers and in what state it is; returns at once, from any thread."""
        ...

    def close(self) -> None:
        """Take no more jobs and let go of the device; called when nothing runs."""
        ...


class Runner(Protocol):
    """What does the work inside a worker. Made, called and described in the worker's own thread only."""

    def __call__(self, job: Job, emit: Callable[[JobEvent], None], token: CancelToken) -> None:
        """Run `job`, emitting `ModelLoading`, `Progress`, `Preview` and `ImageReady`, then `Finished` or `Cancelled`.

        `Started` and `Failed` are the worker's to say.

        Raises:
            EaselError: what went wrong, in a sentence.
            Interrupted: the token was found set; the pictures emitted so far are the result.
        """
        ...

    def describe(self) -> Capabilities:
        """Say what the runner offers and in what state it is."""
        ...
