"""A real server process for end-to-end tests."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
READY = re.compile(r"^Running on local URL:  (http://\S+)$")


@dataclass(slots=True)
class Server:
    """A running `webui.py`; `lines` is all it has printed so far."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list[str])

    def wait_for_line(self, pattern: str, seconds: float = 60) -> str:
        """Return the first line that matches, or fail with what was printed instead."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in list(self.lines):
                if re.search(pattern, line):
                    return line
            time.sleep(0.05)
        raise AssertionError(f"No line matches {pattern!r} in:\n" + "\n".join(self.lines))


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment() -> dict[str, str]:
    """The environment of test processes: one thread, no colour, nothing from outside."""
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "COMMANDLINE_ARGS": ""}


@contextlib.contextmanager
def running_server(*flags: str, seconds: float = 120) -> Generator[Server]:
    """Start `webui.py` with `flags`, yield it once it listens, and stop it."""
    process = subprocess.Popen(
        [sys.executable, "webui.py", "--port", str(free_port()), *flags],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process)
    reader = threading.Thread(target=_read, args=(server,), daemon=True)
    reader.start()
    try:
        line = server.wait_for_line(READY.pattern, seconds)
        match = READY.match(line)
        assert match
        server.url = match[1]
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(5)


def _read(server: Server) -> None:
    assert server.process.stdout
    for line in server.process.stdout:
        server.lines.append(line.rstrip("\n"))
