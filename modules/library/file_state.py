"""Whether a file is still the one that was read, as far as can be told without reading it again."""

from pathlib import Path

FileState = tuple[int, int]


def file_state(path: Path) -> FileState | None:
    """Return a file's size in bytes and its time of change in ns; None when it is missing."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
