import sys
import threading

import pytest

from modules.frontends.cli import console
from modules.frontends.cli.console import ProgressLine, readable_size, table


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (2**20 - 1, "1,048,575 bytes"), (3 * 2**19, "1.5 MiB"), (2**31 + 2**29, "2.50 GiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert readable_size(size) == text


def test_columns_stand_below_each_other() -> None:
    assert table([("NAME", "SIZE"), ("a long one", "1"), ("b", "")]) == ["NAME        SIZE", "a long one  1", "b"]


def test_a_line_is_written_over_and_gone_in_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "_PERIOD", 0.001)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    asked, texts = threading.Event(), iter(["half of it", "done"])

    def ask() -> str:
        text = next(texts, "")
        if not text:
            asked.set()
        return text

    with ProgressLine(ask):
        assert asked.wait(10)
    written = capsys.readouterr().err
    assert written.startswith("\rhalf of it\rdone      \r")
    assert written.endswith("\r")


def test_nothing_is_written_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine(lambda: "half of it"):
        pass
    assert capsys.readouterr().err == ""
