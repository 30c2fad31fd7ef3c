"""Logins as people type them."""

import argparse
from pathlib import Path

import pytest

from modules.frontends.cli.logins import parse_logins, read_logins


@pytest.mark.parametrize(
    ("text", "logins"),
    [
        ("ann:secret", (("ann", "secret"),)),
        ("ann:secret,bob:word", (("ann", "secret"), ("bob", "word"))),
        (" ann:secret , bob:two words ,", (("ann", "secret"), ("bob", "two words"))),
        ("ann:a:b::c", (("ann", "a:b::c"),)),
        ("ann:secret\nbob:word\r\n\ncy:x,di:y\n", (("ann", "secret"), ("bob", "word"), ("cy", "x"), ("di", "y"))),
    ],
)
def test_logins(text: str, logins: tuple[tuple[str, str], ...]) -> None:
    assert parse_logins(text) == logins


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no login"),
        (" , \n", "no login"),
        ("hunter2", "login 1 is not of the form user:password"),
        ("ann:secret,hunter2", "login 2 is not of the form user:password"),
        ("ann:", "login 1 is not of the form user:password"),
        (":hunter2", "login 1 is not of the form user:password"),
        ("ann:secret,ann:hunter2", "the user ann is named twice"),
    ],
)
def test_wrong_logins_are_told_without_repeating_a_password(text: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse_logins(text)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_logins_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "logins"
    file.write_text("ann:sécret\nbob:word\n", encoding="utf-8")
    assert read_logins(str(file)) == (("ann", "sécret"), ("bob", "word"))


def test_a_file_of_logins_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"cannot read .*: No such file"):
        read_logins(str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe:\x00")
    with pytest.raises(argparse.ArgumentTypeError, match="not a text file in UTF-8"):
        read_logins(str(tmp_path / "binary"))
