"""The server as a process: what it prints, which port it takes, how it stops."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from modules.frontends.http_api import server
from modules.frontends.http_api.server import CannotListen, listen, url_of

ROOT = Path(__file__).parents[3]


class Program:
    """A running `program.py`; `lines` is what it has printed."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.frontends.http_api.program", str(data), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def line(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for line in list(self.lines):
                if match := re.fullmatch(pattern, line):
                    return match
            time.sleep(0.02)
        raise AssertionError(f"no line matches {pattern!r}: {self.lines}")

    def stop(self, *, with_signal: int = signal.SIGINT, seconds: float = 20) -> int:
        """Send a signal; return the exit status."""
        self.process.send_signal(with_signal)
        status = self.process.wait(seconds)
        self._reader.join(5)
        return status


@contextlib.contextmanager
def program(data: Path, *arguments: str) -> Generator[Program]:
    started = Program(data, *arguments)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait(10)


@pytest.fixture
def port() -> int:
    with listen("127.0.0.1", 0) as free:
        number: int = free.getsockname()[1]
        return number


def test_it_says_where_it_listens_once_it_does_and_stops_at_a_signal(data: Path, port: int) -> None:
    with program(data, str(port)) as running:
        url = running.line(r"Running on local URL:  (http://127\.0\.0\.1:\d+)")[1]
        assert url == f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/internal/ping").status_code == 200
        assert running.line(r"ready (.*)")[1] == url
        assert running.stop(with_signal=signal.SIGTERM) == 0
        running.line("ended with 0")
        assert not any("Traceback" in line for line in running.lines)


def test_a_taken_port_is_one_clear_sentence(data: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        number = taken.getsockname()[1]
        with program(data, str(number)) as refused:
            assert refused.process.wait(60) == 1
            refused.line("ended with 1")
            assert len(refused.lines) == 2
            assert f"Port {number} is already in use" in refused.lines[0]
            assert "--port" in refused.lines[0]


def test_it_stops_at_once_although_a_page_listens_and_a_request_waits(data: Path, port: int) -> None:
    body = {"prompt": "slow", "steps": 1000, "width": 64, "height": 64}
    with program(data, str(port)) as running, ThreadPoolExecutor() as pool:
        url = running.line(r"Running on local URL:  (\S+)")[1]
        answer = pool.submit(httpx.post, f"{url}/sdapi/v1/txt2img", json=body, timeout=60)
        with httpx.stream("GET", f"{url}/events") as events:
            assert next(events.iter_lines()) == "data: 0"
            while httpx.get(f"{url}/sdapi/v1/progress").json()["state"]["sampling_step"] == 0:
                time.sleep(0.05)
            began = time.monotonic()
            assert running.stop() == 0
            # a step, and the grace for the event stream
            assert time.monotonic() - began < 30
        # the one who waited was still answered
        assert answer.result().json()["images"] == []
        assert not any("Traceback" in line for line in running.lines)


def test_events_arrive_one_by_one(data: Path, port: int) -> None:
    with program(data, str(port)) as running:
        url = running.line(r"Running on local URL:  (\S+)")[1]
        with httpx.stream("GET", f"{url}/events", headers={"accept-encoding": "gzip"}) as events:
            began = time.monotonic()
            lines = [line for line, _ in zip(events.iter_lines(), range(5), strict=False) if line]
            assert lines == ["data: 0", "data: 1", "data: 2"]
            assert time.monotonic() - began < 30
        running.stop()


def test_a_foreign_page_and_a_huge_body_are_refused_on_the_wire(data: Path, port: int) -> None:
    with program(data, str(port)) as running:
        url = running.line(r"Running on local URL:  (\S+)")[1]
        assert httpx.get(f"{url}/", headers={"host": "evil.example"}).status_code == 403
        reply = httpx.post(f"{url}/sdapi/v1/interrupt", headers={"origin": "https://evil.example"})
        assert reply.status_code == 403
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        connection.putrequest("POST", "/sdapi/v1/txt2img")
        connection.putheader("content-length", str(2**40))
        connection.endheaders(b"{")
        assert connection.getresponse().status == 413
        connection.close()
        assert httpx.get(f"{url}/internal/ping").status_code == 200
        running.stop()


def test_without_a_given_port_the_next_free_one_is_taken(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(server, "FIRST_PORT", port)
    monkeypatch.setattr(server, "LAST_PORT", port + 9)
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        assert first.getsockname()[1] == port
        assert port < second.getsockname()[1] <= port + 9
    monkeypatch.setattr(server, "LAST_PORT", port)
    with listen("127.0.0.1", None), pytest.raises(CannotListen, match=f"Ports {port} to {port} are already in use"):
        listen("127.0.0.1", None)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_one_clear_sentence(host: str) -> None:
    with pytest.raises(CannotListen, match=f"Cannot listen on {host}, port 0"):
        listen(host, 0)


def test_addresses_are_written_as_urls() -> None:
    assert url_of(("127.0.0.1", 7860), browsable=False) == "http://127.0.0.1:7860"
    assert url_of(("0.0.0.0", 80), browsable=False) == "http://0.0.0.0:80"
    assert url_of(("0.0.0.0", 80), browsable=True) == "http://127.0.0.1:80"
    assert url_of(("::", 80), browsable=True) == "http://[::1]:80"


def test_it_listens_on_ipv6_too() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listen("::1", 0) as bound:
        assert url_of(bound.getsockname(), browsable=False).startswith("http://[::1]:")
