"""The console's progress bar: one reader of the queue's events among others."""

import logging
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

from tqdm import tqdm

from modules.core.events import Cancelled, Failed, Finished, JobEvent, ModelLoading, Progress, TerminalEvent
from modules.jobs.service import JobService

logger = logging.getLogger(__name__)


class ConsoleProgress:
    """Shows each job as a bar of its steps (those of all batches) on stderr, and says when one fails."""

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None
        self._bar_job = ""
        self._loading = ""

    def show(self, events: Iterator[JobEvent]) -> None:
        """Show events until there are no more."""
        for event in events:
            self._show_one(event)
        self._close_bar()

    def _show_one(self, event: JobEvent) -> None:
        match event:
            case ModelLoading(name=name) if name != self._loading:
                self._loading = name
                logger.info("Loading %s", name)
            case Progress():
                self._loading = ""
                self._step(event)
            case Failed(message=message):
                self._end(event)
                logger.error("%s", message)
            case Cancelled(result=result):
                self._end(event)
                logger.info("Interrupted; %d pictures were finished.", len(result.images))
            case Finished():
                self._end(event)
            case _:
                pass

    def _step(self, event: Progress) -> None:
        if self._bar is None or self._bar_job != event.job_id:
            self._close_bar()
            total = event.steps * event.batches
            self._bar = tqdm(total=total, file=sys.stderr, dynamic_ncols=True, unit="step")
            self._bar_job = event.job_id
        self._bar.set_description_str(event.stage, refresh=False)
        self._bar.update(event.batch * event.steps + event.step - self._bar.n)

    def _end(self, event: TerminalEvent) -> None:
        self._loading = ""
        if event.job_id == self._bar_job:
            self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None
        self._bar_job = ""


def show_on_console(jobs: JobService) -> threading.Thread:
    """Show the jobs of `jobs` on the console from now on, in a thread that ends when `jobs` is closed.

    In a thread of its own, so that a slow or closed terminal can neither slow down nor break the work.
    """
    events = jobs.subscribe_all()
    thread = threading.Thread(target=ConsoleProgress().show, args=(events,), name="easel-console", daemon=True)
    thread.start()
    return thread
