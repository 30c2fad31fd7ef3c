import os
from pathlib import Path

from modules.library.file_state import file_state


def test_a_change_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert file_state(path) is None
    path.write_text("1")
    first = file_state(path)
    assert first == file_state(path)
    os.utime(path, ns=(0, 10**18))
    second = file_state(path)
    assert second == (1, 10**18) != first
    path.write_text("12")
    os.utime(path, ns=(0, 10**18))
    assert file_state(path) == (2, 10**18)
