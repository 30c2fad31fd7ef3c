"""Pictures that the page has sent."""

import os
import time
from pathlib import Path

import pytest

from modules.core.errors import UnknownName
from modules.storage import uploads as module
from modules.storage.uploads import Uploads


def test_what_is_kept_is_found_by_its_id(tmp_path: Path) -> None:
    kept = Uploads(tmp_path / "uploads")
    name = kept.keep(b"picture")
    assert kept.keep(b"picture") == name
    assert Uploads(tmp_path / "uploads").read(name) == b"picture"  # also after a restart


@pytest.mark.parametrize("name", ["", "0" * 64, "../secret", "a" * 63 + "/", "..%2fsecret", "A" * 64])
def test_only_ids_lead_to_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("no")
    with pytest.raises(UnknownName, match="Choose it again"):
        Uploads(tmp_path / "uploads").read(name)


def test_old_files_make_room(tmp_path: Path) -> None:
    kept = Uploads(tmp_path)
    name = kept.keep(b"old")
    long_ago = time.time() - module.SECONDS_KEPT - 1
    os.utime(tmp_path / name, (long_ago, long_ago))
    new = kept.keep(b"new")
    assert [path.name for path in tmp_path.iterdir()] == [new]


def test_the_oldest_make_room_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 25)
    kept = Uploads(tmp_path)
    names = [kept.keep(bytes([number]) * 10) for number in range(3)]
    for age, name in zip((20, 10), names, strict=False):
        if (tmp_path / name).exists():
            os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    kept.keep(b"x" * 10)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 25
    assert kept.read(names[-1])


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    kept = Uploads(tmp_path)
    name = kept.keep(b"ground")
    long_ago = time.time() - module.SECONDS_KEPT - 1
    os.utime(tmp_path / name, (long_ago, long_ago))
    kept.read(name)
    kept.keep(b"mask")
    assert kept.read(name) == b"ground"
