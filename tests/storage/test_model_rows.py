from pathlib import Path

import pytest

from modules.storage.model_row import ModelRow
from modules.storage.model_rows import ModelRows

ROW = ModelRow(
    size=2**40,
    mtime_ns=1_700_000_000_123_456_789,
    inode=2**63 - 1,
    head="ab" * 32,
    facts_version=1,
    facts='{"alias": "\\ud800"}',
    beside_state=".json 5 6",
    beside="{}",
    alias="Ink",
    search_text="ink 水彩",
)


def test_rows_are_known_after_a_restart(tmp_path: Path) -> None:
    database = tmp_path / "easel.sqlite3"
    rows = ModelRows(database)
    assert (rows.get("/a"), rows.all()) == (None, {})
    rows.put({"/a": ROW, "/b": ROW})
    rows.put({"/b": ROW._replace(tensors_sha256="cd" * 32), "/c": ROW})
    rows.put({})
    rows.forget(["/a", "/x"])
    rows.forget([])
    expected = {"/b": ROW._replace(tensors_sha256="cd" * 32), "/c": ROW}
    assert rows.all() == expected
    rows.close()
    assert ModelRows(database).all() == expected


def test_what_is_returned_is_a_copy(tmp_path: Path) -> None:
    rows = ModelRows(tmp_path / "easel.sqlite3")
    rows.all()["/a"] = ROW
    assert rows.get("/a") is None


def test_a_database_that_fails_later_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = ModelRows(tmp_path / "easel.sqlite3")
    rows.all()
    for path in tmp_path.glob("easel.sqlite3*"):
        path.write_bytes(b"overwritten" * 1000)
    rows.put({"/a": ROW})
    rows.forget(["/b"])
    assert rows.get("/a") == ROW
    assert caplog.text.count("read again at the next start") == 1


def test_a_path_that_is_not_unicode_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = ModelRows(tmp_path / "easel.sqlite3")
    rows.put({"/\udcff": ROW})
    assert rows.get("/\udcff") == ROW
    assert "read again at the next start" in caplog.text
