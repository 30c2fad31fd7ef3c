"""A claim is held by one process, and ends with it."""

import subprocess
import sys
from pathlib import Path

from modules.storage.sole_use import SoleUse


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "new" / "it.lock"
    one, other = SoleUse(path), SoleUse(path)
    assert one.claim()
    assert one.claim()
    assert not other.claim()
    one.release()
    one.release()
    assert other.claim()
    other.release()


def test_it_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "it.lock"
    program = (
        "import sys, pathlib, modules.storage.sole_use as it\n"
        "lock = it.SoleUse(pathlib.Path(sys.argv[1]))\n"
        "print(lock.claim(), flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "True\n"
        assert not SoleUse(path).claim()
        process.kill()
        process.wait(10)
    lock = SoleUse(path)
    assert lock.claim()
    lock.release()


def test_where_nothing_can_be_written_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not SoleUse(tmp_path / "file" / "it.lock").claim()
