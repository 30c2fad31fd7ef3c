import json
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modules.storage.a1111_hashes import A1111Hashes
from modules.storage.hashes import HashCache

SHA = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    return path


def test_known_again_after_a_restart(tmp_path: Path, model: Path) -> None:
    cache = HashCache(tmp_path / "data" / "easel.sqlite3")
    assert cache.get(model) is None
    cache.put(model, SHA)
    assert cache.get(model) == SHA
    again = HashCache(tmp_path / "data" / "easel.sqlite3")
    assert again.get(model) == SHA
    again.put(model, OTHER)
    assert HashCache(tmp_path / "data" / "easel.sqlite3").get(model) == OTHER


def test_a_relative_path_means_the_same_file(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = HashCache(tmp_path / "easel.sqlite3")
    cache.put(model, SHA)
    monkeypatch.chdir(tmp_path)
    assert cache.get(Path(model.name)) == SHA


def test_a_changed_file_is_not_known(tmp_path: Path, model: Path) -> None:
    cache = HashCache(tmp_path / "easel.sqlite3")
    cache.put(model, SHA)
    stat = model.stat()
    model.write_bytes(b"other weights")
    os.utime(model, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.get(model) is None, "another size"
    model.write_bytes(b"weights")
    os.utime(model, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert cache.get(model) is None, "another time"
    os.utime(model, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.get(model) == SHA
    model.unlink()
    assert cache.get(model) is None
    cache.put(model, SHA)  # gone: nothing to remember, and no error


def test_a_hash_of_a_file_that_is_gone(tmp_path: Path, model: Path) -> None:
    cache = HashCache(tmp_path / "easel.sqlite3")
    cache.put(model, SHA)
    stat = model.stat()
    model.unlink()
    assert cache.get_unread(model, stat.st_size, stat.st_mtime_ns) == SHA
    assert cache.get_unread(model, stat.st_size + 1, stat.st_mtime_ns) is None
    assert cache.get_unread(model, stat.st_size, stat.st_mtime_ns + 1) is None
    assert cache.get_unread(tmp_path / "other", stat.st_size, stat.st_mtime_ns) is None


def test_without_a_usable_database_hashes_last_until_the_end(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = HashCache(tmp_path / "file" / "easel.sqlite3")
    cache.put(model, SHA)
    assert cache.get(model) == SHA
    assert caplog.text.count("forgotten when the program ends") == 1


def test_a_database_that_fails_later_stops_nobody(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = tmp_path / "easel.sqlite3"
    cache = HashCache(database)
    cache.get(model)
    for path in tmp_path.glob("easel.sqlite3*"):
        path.write_bytes(b"overwritten" * 1000)
    cache.put(model, SHA)
    assert cache.get(model) == SHA
    assert "forgotten when the program ends" in caplog.text


def test_a_path_that_is_not_unicode_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    (folder / "model.ckpt").touch()
    cache = HashCache(tmp_path / "easel.sqlite3")
    cache.put(folder / "model.ckpt", SHA)
    assert cache.get(folder / "model.ckpt") == SHA
    assert "forgotten when the program ends" in caplog.text


def put_many(database: Path, files: list[Path]) -> None:
    cache = HashCache(database)
    for file in files:
        cache.put(file, SHA)


def test_threads_and_processes_write_at_once(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.ckpt" for number in range(60)]
    for file in files:
        file.touch()
    database = tmp_path / "easel.sqlite3"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=put_many, args=(database, files[start::3])) for start in range(2)]
    cache = HashCache(database)
    threads = [threading.Thread(target=cache.put, args=(file, SHA)) for file in files[2::3]]
    for worker in (*processes, *threads):
        worker.start()
    for worker in (*processes, *threads):
        worker.join()
    again = HashCache(database)
    assert all(again.get(file) == SHA for file in files)


def test_sqlalchemy_is_imported_only_when_a_hash_is_asked_for() -> None:
    program = (
        "import sys, pathlib\n"
        "from modules.storage.hashes import HashCache\n"
        "HashCache(pathlib.Path('unused'))\n"
        "assert 'sqlalchemy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_hashes_of_an_a1111_installation(tmp_path: Path, model: Path) -> None:
    mtime = model.stat().st_mtime
    cache_json = tmp_path / "cache.json"
    cache_json.write_text(
        json.dumps(
            {
                "hashes": {
                    "checkpoint/sub/model.safetensors": {"mtime": mtime, "sha256": SHA},
                    "checkpoint/old.safetensors": {"mtime": mtime - 60, "sha256": SHA},
                    "checkpoint/broken": {"mtime": "yesterday", "sha256": 5},
                    "checkpoint/short": {"mtime": mtime, "sha256": "abc"},
                    "checkpoint/none": None,
                },
                "hashes-addnet": {"lora/x": {"mtime": mtime, "sha256": OTHER}},
            }
        )
    )
    before = cache_json.read_bytes()
    hashes = A1111Hashes(cache_json)
    assert hashes.get("checkpoint/sub/model.safetensors", model) == SHA
    for key in ("checkpoint/old.safetensors", "checkpoint/broken", "checkpoint/short", "checkpoint/none", "lora/x"):
        assert hashes.get(key, model) is None
    assert hashes.get("checkpoint/sub/model.safetensors", tmp_path / "gone") is None
    assert cache_json.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"[]", b'{"hashes": 5}', b"\xff", b"[" * 100_000], ids=range(5))
def test_a_damaged_cache_of_a1111_knows_nothing(content: bytes, tmp_path: Path, model: Path) -> None:
    (tmp_path / "cache.json").write_bytes(content)
    assert A1111Hashes(tmp_path / "cache.json").get("checkpoint/x", model) is None
