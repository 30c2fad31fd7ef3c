import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from modules.core.errors import InvalidRequest, OutputError
from modules.core.flags import Flags
from modules.core.paths import Paths, resolve_paths
from modules.core.settings import Settings
from modules.storage.settings_store import SettingsStore


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return resolve_paths(Flags(data_dir=tmp_path / "data"))


def write(paths: Paths, content: Any) -> None:
    paths.settings_file.parent.mkdir(exist_ok=True)
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    paths.settings_file.write_bytes(data)


def read(paths: Paths) -> dict[str, Any]:
    return json.loads(paths.settings_file.read_text(encoding="utf-8"))


def set_aside(paths: Paths) -> list[Path]:
    return list(paths.data.glob("config.json.corrupt-*"))


def test_without_a_file_defaults_are_used_and_nothing_is_written(paths: Paths) -> None:
    store = SettingsStore(paths)
    assert store.snapshot() == Settings()
    assert store.values() == Settings().model_dump()
    assert not paths.data.exists()


def test_only_what_was_changed_is_written(paths: Paths) -> None:
    store = SettingsStore(paths)
    assert store.update({"CLIP_stop_at_last_layers": 2}, trusted=False).CLIP_stop_at_last_layers == 2
    assert read(paths) == {"CLIP_stop_at_last_layers": 2}
    assert SettingsStore(paths).snapshot() == store.snapshot() == Settings(CLIP_stop_at_last_layers=2)


def test_the_file_of_a1111_is_used_and_its_other_keys_stay_in_their_order(paths: Paths) -> None:
    content = {"sd_unet": "Automatic", "samples_save": False, "日本": {"a": [1, None]}, "n_rows": 3, "z": "é \ud83d"}
    write(paths, content)
    store = SettingsStore(paths)
    assert store.snapshot() == Settings(samples_save=False, n_rows=3)
    values = store.values()
    assert values["sd_unet"] == "Automatic"
    assert values["samples_save"] is False
    store.update({"n_rows": 4, "grid_save": False}, trusted=True)
    assert list(read(paths).items()) == list((content | {"n_rows": 4, "grid_save": False}).items())
    assert "日本" in paths.settings_file.read_text(encoding="utf-8")


def test_a_snapshot_does_not_change(paths: Paths) -> None:
    store = SettingsStore(paths)
    snapshot = store.snapshot()
    store.update({"n_rows": 4}, trusted=True)
    assert snapshot.n_rows == -1


def test_values_that_do_not_fit_are_named_and_left_in_the_file(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    content = {"randn_source": "TPU", "n_rows": "many", "eta_ancestral": float("nan"), "samples_save": None, "x": 1}
    write(paths, content)
    store = SettingsStore(paths)
    assert store.snapshot() == Settings()
    for name in ("randn_source", "n_rows", "eta_ancestral", "samples_save"):
        assert f"Setting {name} " in caplog.text
    store.update({"grid_save": False}, trusted=True)
    left = read(paths)
    assert left["randn_source"] == "TPU"
    assert left["n_rows"] == "many"
    assert left["x"] == 1


def test_numbers_that_json_cannot_carry_are_not_handed_out(paths: Paths) -> None:
    write(paths, b'{"a": NaN, "b": [Infinity, {"c": -Infinity}], "d": 1.5}')
    store = SettingsStore(paths)
    values = store.values()
    assert [values[name] for name in "abd"] == [None, [None, {"c": None}], 1.5]
    store.update(values, trusted=False)
    assert b"NaN" in paths.settings_file.read_bytes()


@pytest.mark.parametrize(
    "content",
    [b"", b'{"n_rows": 3', b"[1, 2]", b"null", b"\xff\xfe\x00", b"{}" * 2, b"[" * 100_000],
    ids=["empty", "truncated", "list", "null", "binary", "two", "deep"],
)
def test_a_broken_file_is_kept_when_settings_are_saved(
    content: bytes, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    write(paths, content)
    store = SettingsStore(paths)
    assert store.snapshot() == Settings()
    assert "config.json is broken" in caplog.text
    assert paths.settings_file.read_bytes() == content
    assert set_aside(paths) == []
    store.update({"n_rows": 4}, trusted=True)
    (kept,) = set_aside(paths)
    assert kept.read_bytes() == content
    assert kept.name in caplog.text
    assert read(paths) == {"n_rows": 4}


def test_a_file_that_breaks_meanwhile_does_not_lose_what_was_known(paths: Paths) -> None:
    write(paths, {"sd_unet": "x", "n_rows": 2})
    store = SettingsStore(paths)
    write(paths, b'{"sd_unet":')
    store.update({"grid_save": False}, trusted=True)
    assert read(paths) == {"sd_unet": "x", "n_rows": 2, "grid_save": False}
    paths.settings_file.unlink()
    store.update({"grid_save": True}, trusted=True)
    assert read(paths) == {"sd_unet": "x", "n_rows": 2, "grid_save": True}


def test_what_another_program_wrote_meanwhile_is_kept(paths: Paths) -> None:
    store = SettingsStore(paths)
    write(paths, {"sd_unet": "new", "n_rows": 9})
    assert store.update({"grid_save": False}, trusted=True).n_rows == 9
    assert read(paths) == {"sd_unet": "new", "n_rows": 9, "grid_save": False}


def test_a_byte_order_mark_is_no_damage(paths: Paths) -> None:
    write(paths, b'\xef\xbb\xbf{"n_rows": 3}')
    assert SettingsStore(paths).snapshot().n_rows == 3


@pytest.mark.parametrize(
    "changes",
    [{"nonsense": 1}, {"n_rows": "many"}, {"eta_ancestral": float("inf")}, {"sd_unet": "other"}, {"n_rows": 1, "x": 2}],
)
def test_wrong_changes_are_refused_and_nothing_is_written(changes: dict[str, Any], paths: Paths) -> None:
    write(paths, {"sd_unet": "Automatic"})
    store = SettingsStore(paths)
    with pytest.raises(InvalidRequest):
        store.update(changes, trusted=True)
    assert read(paths) == {"sd_unet": "Automatic"}
    assert store.snapshot() == Settings()


def test_a_client_may_send_back_all_that_it_was_given(paths: Paths) -> None:
    write(paths, {"sd_unet": "Automatic", "outdir_samples": "/somewhere/else"})
    store = SettingsStore(paths)
    store.update(store.values() | {"n_rows": 2}, trusted=False)
    assert store.snapshot() == Settings(n_rows=2, outdir_samples="/somewhere/else")
    assert read(paths)["sd_unet"] == "Automatic"


@pytest.mark.parametrize("folder", ["/tmp/pictures", "..", "outputs/../../x", "link/below", "~/../../.."])
def test_only_trusted_people_move_output_folders_out_of_the_data_folder(folder: str, paths: Paths) -> None:
    paths.data.mkdir()
    (paths.data / "link").symlink_to(paths.data.parent)
    store = SettingsStore(paths)
    with pytest.raises(InvalidRequest, match=r"outdir_txt2img_samples = .* is outside the data folder"):
        store.update({"outdir_txt2img_samples": folder}, trusted=False)
    assert not paths.settings_file.exists()
    assert store.update({"outdir_txt2img_samples": folder}, trusted=True).outdir_txt2img_samples == folder


@pytest.mark.parametrize("folder", ["", "elsewhere/below", ".", "a/../b"])
def test_anybody_moves_output_folders_within_the_data_folder(folder: str, paths: Paths) -> None:
    assert SettingsStore(paths).update({"outdir_samples": folder}, trusted=False).outdir_samples == folder


@pytest.mark.parametrize("trusted", [True, False])
def test_a_folder_that_cannot_exist_is_refused(trusted: bool, paths: Paths) -> None:
    with pytest.raises(InvalidRequest, match="outdir_samples"):
        SettingsStore(paths).update({"outdir_samples": "a\0b"}, trusted=trusted)


def test_a_settings_file_that_is_a_link_stays_one(paths: Paths, tmp_path: Path) -> None:
    paths.data.mkdir()
    (tmp_path / "real.json").write_text('{"x": 1}')
    (tmp_path / "real.json").chmod(0o640)
    paths.settings_file.symlink_to(tmp_path / "real.json")
    SettingsStore(paths).update({"n_rows": 2}, trusted=True)
    assert paths.settings_file.is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == {"x": 1, "n_rows": 2}
    assert (tmp_path / "real.json").stat().st_mode & 0o777 == 0o640


def test_a_read_only_file_is_answered_clearly(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paths, {"n_rows": 2})
    store = SettingsStore(paths)

    def not_writable(_path: Path, mode: int) -> bool:
        return mode != os.W_OK

    monkeypatch.setattr(os, "access", not_writable)  # rights do not bind root, who may run the tests
    with pytest.raises(OutputError, match=r"Cannot write .*config\.json: The file is read-only"):
        store.update({"n_rows": 3}, trusted=True)
    assert store.snapshot().n_rows == 2
    assert list(paths.data.iterdir()) == [paths.settings_file]


def test_a_folder_below_a_file_is_answered_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = SettingsStore(resolve_paths(Flags(data_dir=tmp_path / "file" / "data")))
    with pytest.raises(OutputError, match=r"Cannot (read|write) "):
        store.update({"n_rows": 3}, trusted=True)


def test_a_crash_while_writing_leaves_the_old_file(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paths, {"n_rows": 2})
    store = SettingsStore(paths)

    def power_cut(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", power_cut)
    with pytest.raises(OutputError):
        store.update({"n_rows": 3}, trusted=True)
    assert read(paths) == {"n_rows": 2}
    assert store.snapshot().n_rows == 2
    assert list(paths.data.iterdir()) == [paths.settings_file]


def test_changes_from_several_threads_all_arrive(paths: Paths) -> None:
    store = SettingsStore(paths)
    names = ("samples_save", "grid_save", "return_grid", "enable_pnginfo", "save_to_dirs", "grid_save_to_dirs")

    def change(name: str) -> None:
        store.update({name: False}, trusted=True)

    threads = [threading.Thread(target=change, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(paths) == dict.fromkeys(names, False)
    assert SettingsStore(paths).snapshot() == store.snapshot()


def test_overrides_are_checked_and_written_nowhere(tmp_path: Path) -> None:
    store = SettingsStore(resolve_paths(Flags(data_dir=tmp_path)))
    assert store.overridden({"n_rows": 3}).n_rows == 3
    assert store.snapshot().n_rows == -1
    assert not (tmp_path / "config.json").exists()
    with pytest.raises(InvalidRequest, match="outdir_samples"):
        store.overridden({"outdir_samples": "/etc"})
