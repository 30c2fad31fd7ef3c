"""Passwords, sessions and the brake."""

import pytest

from modules.frontends.http_api import credentials
from modules.frontends.http_api.credentials import SESSION_SECONDS, Brake, Credentials, Sessions


class Clock:
    """Time that passes when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_name_needs_its_own_password() -> None:
    logins = Credentials([("ann", "hush"), ("bob", "schön")])
    assert logins.match("ann", "hush")
    assert logins.match("bob", "schön")
    for name, password in (("ann", "schön"), ("ann", ""), ("", "hush"), ("Ann", "hush"), ("", ""), ("\ud800", "x")):
        assert not logins.match(name, password)
    assert not Credentials([]).match("", "")


def test_a_session_ends_by_time_or_by_logging_out() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    first, second = sessions.begin(), sessions.begin()
    assert first != second
    assert len(first) >= 32
    sessions.end(first)
    sessions.end("nobody's")
    assert [sessions.is_valid(token) for token in (first, second, "", "guess")] == [False, True, False, False]
    clock.now += SESSION_SECONDS
    assert not sessions.is_valid(second)


def test_there_is_a_bound_of_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "MAX_SESSIONS", 2)
    sessions = Sessions()
    tokens = [sessions.begin() for _ in range(3)]
    assert [sessions.is_valid(token) for token in tokens] == [False, True, True]


def test_whoever_fails_often_waits_longer_and_longer() -> None:
    clock = Clock()
    brake = Brake(clock)
    for _ in range(4):
        brake.failed("10.0.0.1")
    assert brake.seconds_to_wait("10.0.0.1") == 0
    waits: list[float] = []
    for _ in range(9):
        brake.failed("10.0.0.1")
        waits.append(brake.seconds_to_wait("10.0.0.1"))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert brake.seconds_to_wait("10.0.0.2") == 0
    clock.now += 50
    assert brake.seconds_to_wait("10.0.0.1") == 10
    clock.now += 15 * 60
    assert brake.seconds_to_wait("10.0.0.1") == 0


def test_a_right_password_makes_good() -> None:
    brake = Brake(Clock())
    for _ in range(6):
        brake.failed("10.0.0.1")
    brake.succeeded("10.0.0.1")
    assert brake.seconds_to_wait("10.0.0.1") == 0


def test_a_network_of_ipv6_is_one_guesser() -> None:
    brake = Brake(Clock())
    for number in range(6):
        brake.failed(f"2001:db8::{number}")
    assert brake.seconds_to_wait("2001:db8::ffff") > 0
    assert brake.seconds_to_wait("2001:db8:0:1::1") == 0
    for _ in range(6):
        brake.failed("testclient")
    assert brake.seconds_to_wait("testclient") > 0


def test_few_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "MAX_ADDRESSES", 2)
    brake = Brake(Clock())
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        for _ in range(6):
            brake.failed(address)
    assert [brake.seconds_to_wait(f"10.0.0.{number}") > 0 for number in (1, 2, 3)] == [False, True, True]
