"""A queue with a worker that does what the test says."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from modules.core.settings import Settings
from modules.jobs.service import JobService
from modules.jobs.workers.local import LocalWorker
from tests.jobs.fakes import FakeRunner


@pytest.fixture
def runner() -> FakeRunner:
    """Runs jobs step by step, as `runner.gate` is released."""
    return FakeRunner(gate=threading.Semaphore(0))


@pytest.fixture
def worker(runner: FakeRunner) -> Iterator[LocalWorker]:
    worker = LocalWorker(lambda: runner)
    yield worker
    assert runner.gate
    runner.gate.release(1000)
    worker.close()


@pytest.fixture
def jobs(worker: LocalWorker, runner: FakeRunner) -> Iterator[JobService]:
    service = JobService(worker, Settings)
    yield service
    assert runner.gate
    runner.gate.release(1000)
    service.close()


Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def until() -> Until:
    """Wait until something is so; fail after ten seconds."""

    def wait(is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.005)

    return wait
