"""What the commands write to the console."""

import sys
import threading
from collections.abc import Callable
from types import TracebackType

_MEBIBYTE, _GIBIBYTE = 2**20, 2**30
_PERIOD = 0.2  # seconds


def say(text: str = "") -> None:
    """Write a line of the command's answer."""
    print(printable(text))  # noqa: T201  # the answer of a command-line program


def complain(text: object) -> None:
    """Write a line of what went wrong, or of what the command is doing."""
    print(text, file=sys.stderr)  # noqa: T201  # as above


def printable(text: str) -> str:
    """Replace what the console cannot show."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def readable_size(size: int) -> str:
    """Return a number of bytes as people write it."""
    if size < _MEBIBYTE:
        return f"{size:,} bytes"
    return f"{size / _GIBIBYTE:.2f} GiB" if size >= _GIBIBYTE else f"{size / _MEBIBYTE:.1f} MiB"


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return lines in which the columns of `rows` stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class ProgressLine:
    """A line on stderr that says how far something is, as long as somebody looks at it; for use in `with`.

    It asks by itself, from a thread of its own, until it is left; then the line is gone.
    """

    def __init__(self, ask: Callable[[], str]) -> None:
        """Show what `ask` returns; "" for nothing yet. It is called from another thread."""
        self._ask = ask
        self._shown = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
            self._write("")

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD):
            self._write(self._ask())

    def _write(self, text: str) -> None:
        if text or self._shown:
            sys.stderr.write(f"\r{text.ljust(self._shown)}" + ("" if text else "\r"))
            sys.stderr.flush()
            self._shown = len(text)
