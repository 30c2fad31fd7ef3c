import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from modules.core.errors import OutputError
from modules.storage import database
from modules.storage.database import MIGRATIONS, open_database
from modules.storage.set_aside import set_aside


def scalar(engine: Engine, statement: str) -> object:
    with engine.begin() as connection:
        return connection.exec_driver_sql(statement).scalar_one()


def test_a_new_file_is_made_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "with ? and # and é" / "easel.sqlite3"
    engine = open_database(path)
    assert path.is_file()
    assert scalar(engine, "PRAGMA user_version") == len(MIGRATIONS)
    assert scalar(engine, "PRAGMA journal_mode") == "wal"
    assert scalar(engine, "PRAGMA busy_timeout") == 10_000
    assert scalar(engine, "SELECT count(*) FROM file_hashes") == 0


def test_an_older_file_gets_only_the_steps_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "easel.sqlite3"
    with open_database(path).begin() as connection:
        connection.exec_driver_sql("INSERT INTO file_hashes VALUES ('a', 1, 2, 'b')")
    later = (*MIGRATIONS, "CREATE TABLE later (x INTEGER)")
    monkeypatch.setattr(database, "MIGRATIONS", later)
    engine = open_database(path)
    assert scalar(engine, "PRAGMA user_version") == len(later)
    assert scalar(engine, "SELECT count(*) FROM later") == 0
    assert scalar(engine, "SELECT sha256 FROM file_hashes") == "b"


def test_a_step_that_fails_leaves_the_version_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "easel.sqlite3"
    open_database(path).dispose()
    broken = (*MIGRATIONS, "CREATE TABLE half (x INTEGER)", "this is not SQL")
    monkeypatch.setattr(database, "MIGRATIONS", broken)
    with pytest.raises(OutputError, match="cannot be used"):
        open_database(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)


def test_a_file_of_a_newer_version_is_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "easel.sqlite3"
    with open_database(path).begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 99")
    assert scalar(open_database(path), "PRAGMA user_version") == 99


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(5000))


def filled(path: Path) -> bytes:
    """Make a database of many pages and return the content of its file."""
    engine = open_database(path)
    with engine.begin() as connection:
        for number in range(1000):
            connection.exec_driver_sql(f"INSERT INTO file_hashes VALUES ('{number:0100}', 1, 2, 'b')")
    engine.dispose()  # the last connection moves everything from the journal into the file
    return path.read_bytes()


def truncated(path: Path) -> None:
    data = filled(path)
    path.write_bytes(data[: len(data) // 2])


def overwritten_page(path: Path) -> None:
    data = filled(path)
    path.write_bytes(data[:8192] + os.urandom(8192) + data[16384:])


@pytest.mark.parametrize("damage", [garbage, truncated, overwritten_page])
def test_a_damaged_file_is_kept_and_replaced(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "easel.sqlite3"
    damage(path)
    content = path.read_bytes()
    engine = open_database(path)
    assert scalar(engine, "SELECT count(*) FROM file_hashes") == 0
    (kept,) = tmp_path.glob("easel.sqlite3.corrupt-*[0-9]")
    assert kept.read_bytes() == content
    assert "is damaged" in caplog.text
    assert kept.name in caplog.text


def test_two_damaged_files_in_one_second_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_moment(_format: str) -> str:
        return "20240305-140709"

    monkeypatch.setattr(time, "strftime", one_moment)
    for content in ("first", "second", "third"):
        (tmp_path / "x").write_text(content)
        set_aside(tmp_path / "x")
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    stem = "x.corrupt-20240305-140709"
    assert kept == {stem: "first", f"{stem}-2": "second", f"{stem}-3": "third"}


def test_who_finds_another_process_migrating_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "easel.sqlite3"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN IMMEDIATE")
    opened: list[Engine] = []
    thread = threading.Thread(target=lambda: opened.append(open_database(path)))
    thread.start()
    time.sleep(0.3)
    for number, statement in enumerate(MIGRATIONS, start=1):
        other.execute(statement)
        other.execute(f"PRAGMA user_version = {number}")
    other.execute("COMMIT")
    thread.join()
    assert scalar(opened[0], "SELECT count(*) FROM file_hashes") == 0


def test_many_start_together_on_a_new_file(tmp_path: Path) -> None:
    for number in range(10):
        path = tmp_path / f"{number}.sqlite3"
        with ThreadPoolExecutor(4) as pool:
            engines = list(pool.map(open_database, [path] * 4))
        assert {scalar(engine, "PRAGMA user_version") for engine in engines} == {len(MIGRATIONS)}


def test_a_folder_below_a_file_is_answered_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be used"):
        open_database(tmp_path / "file" / "easel.sqlite3")


def test_a_database_that_is_a_folder_is_answered_clearly(tmp_path: Path) -> None:
    (tmp_path / "easel.sqlite3").mkdir()
    with pytest.raises(OutputError, match="cannot be used"):
        open_database(tmp_path / "easel.sqlite3")
