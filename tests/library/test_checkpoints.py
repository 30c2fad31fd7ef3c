import hashlib
import json
import os
import threading
import time
from pathlib import Path

import pytest

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, ModelFileError, NoModelError, UnknownName
from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.core.settings import Settings
from modules.library import checkpoint_info, remembered_hash
from modules.library.checkpoints import CheckpointFile, CheckpointLibrary
from modules.library.hashing import folder_sha256, legacy_hash
from modules.library.safetensors_header import SafetensorsHeader, read_header
from modules.storage.hashes import HashCache
from tests.safetensors_headers import write_demo, write_header


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "Stable-diffusion"
    folder.mkdir(parents=True)
    return folder


def library(
    tmp_path: Path, *, ckpt: Path | None = None, ckpt_dir: tuple[Path, ...] = (), config: Path | None = None
) -> CheckpointLibrary:
    paths = resolve_paths(Flags(data_dir=tmp_path, ckpt=ckpt, ckpt_dir=ckpt_dir, config=config))
    return CheckpointLibrary(paths, HashCache(paths.database))


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def names(found: CheckpointLibrary) -> list[str]:
    return [file.name for file in found.all()]


def test_what_is_a_checkpoint_and_how_they_are_sorted(tmp_path: Path, models: Path) -> None:
    put(models, "b10.safetensors", "B9.ckpt", "a/deep/er.SAFETENSORS", "tiny-sd1.safetensors", "日本.ckpt")
    put(models, "tiny-sd1-inpainting.safetensors", "Z/x y [v1].ckpt")
    put(models, "x.vae.safetensors", "x.vae.ckpt", "x.pt", "x.yaml", ".hidden.ckpt", ".git/x.ckpt", "folder.ckpt/x.txt")
    (models / "broken.ckpt").symlink_to(models / "gone")
    assert names(library(tmp_path)) == [
        "a/deep/er.SAFETENSORS",
        "B9.ckpt",
        "b10.safetensors",
        "tiny-sd1-inpainting.safetensors",
        "tiny-sd1.safetensors",
        "Z/x y [v1].ckpt",
        "日本.ckpt",
    ]


def test_links_to_folders_are_followed_once(tmp_path: Path, models: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere, "x.ckpt", "sub/y.ckpt")
    (models / "link").symlink_to(elsewhere)
    (elsewhere / "sub" / "back").symlink_to(models)
    (elsewhere / "again").symlink_to(elsewhere / "sub")
    (models / "itself").symlink_to(models / "itself")
    assert len(names(library(tmp_path))) == 2
    assert "link/x.ckpt" in names(library(tmp_path))


def test_a_diffusers_folder_is_one_checkpoint(tmp_path: Path, models: Path) -> None:
    put(models, "sub/my.model.v1/model_index.json", "sub/my.model.v1/unet/diffusion.safetensors", "x.ckpt")
    (folder, single) = library(tmp_path).all()
    assert (folder.name, folder.model_name, folder.flat_name) == ("sub/my.model.v1", "my.model.v1", "sub_my.model.v1")
    assert folder.path == models / "sub" / "my.model.v1"
    assert single.name == "x.ckpt"


def test_a_name_that_is_not_unicode_is_skipped_with_a_warning(
    tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(models, "x.ckpt")
    Path(os.fsdecode(os.fsencode(models) + b"/\xff.ckpt")).touch()
    assert names(library(tmp_path)) == ["x.ckpt"]
    assert "not valid Unicode" in caplog.text


def test_a_folder_that_cannot_be_read_is_skipped_with_a_warning(
    tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(models, "x.ckpt", "locked/y.ckpt")
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # rights do not bind root, who may run the tests
    assert names(library(tmp_path)) == ["x.ckpt"]
    assert "locked is skipped: Permission denied" in caplog.text


def test_a_folder_that_is_missing_holds_nothing(tmp_path: Path) -> None:
    assert library(tmp_path, ckpt_dir=(tmp_path / "gone",)).all() == ()


def test_further_folders_and_files(tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(models, "same.ckpt", "inside.ckpt")
    put(tmp_path / "more", "same.ckpt", "other.ckpt")
    put(tmp_path / "single", "given.bin", "given.yaml")
    found = library(tmp_path, ckpt_dir=(tmp_path / "more",), ckpt=tmp_path / "single" / "given.bin")
    assert names(found) == ["given.bin", "inside.ckpt", "other.ckpt", "same.ckpt"]
    assert found.find("same").path == models / "same.ckpt"
    assert f"{tmp_path / 'more' / 'same.ckpt'} is left out" in caplog.text
    given = found.find(str(tmp_path / "single" / "given.bin"))
    assert given.config == tmp_path / "single" / "given.yaml"


def test_folders_within_each_other_are_not_listed_twice(tmp_path: Path, models: Path) -> None:
    put(models, "sub/x.ckpt", "y.ckpt")
    found = library(tmp_path, ckpt_dir=(models / "sub",), ckpt=models / "sub" / "x.ckpt")
    assert names(found) == ["sub/x.ckpt", "y.ckpt"]
    assert found.find(str(models / "sub" / "x.ckpt")).name == "sub/x.ckpt"


def test_a_given_file_that_is_missing_is_only_warned_of(
    tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(models, "x.ckpt")
    assert names(library(tmp_path, ckpt=tmp_path / "gone.ckpt")) == ["x.ckpt"]
    assert "gone.ckpt" in caplog.text


def test_the_config_beside_a_file_and_the_default_one(tmp_path: Path, models: Path) -> None:
    put(models, "own.safetensors", "own.yaml", "sub/none.safetensors")
    own, none = library(tmp_path).all()
    assert (own.config, none.config) == (models / "own.yaml", None)
    own, none = library(tmp_path, config=tmp_path / "default.yaml").all()
    assert (own.config, none.config) == (models / "own.yaml", tmp_path / "default.yaml")


def test_titles() -> None:
    file = CheckpointFile(path=Path("/m/sub/x.y.ckpt"), name="sub/x.y.ckpt", model_name="x.y", sha256=None, config=None)
    assert (file.title, file.shorthash, file.flat_name) == ("sub/x.y.ckpt", None, "sub_x.y")
    hashed = CheckpointFile(path=file.path, name=file.name, model_name="x.y", sha256=sha("a"))
    assert hashed.title == f"sub/x.y.ckpt [{sha('a')[:10]}]"


def test_hashes_are_computed_once_and_kept(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(models, "a.ckpt", "b.ckpt")
    found = library(tmp_path)
    a = found.find("a")
    assert a.sha256 is None
    hashed = found.hashed(a)
    assert hashed.sha256 == sha("a.ckpt")
    assert [file.sha256 for file in found.all()] == [sha("a.ckpt"), None]
    assert found.find(sha("a.ckpt")[:10]) == hashed
    assert found.find(hashed.title) == hashed

    def never(*_: object) -> str:
        raise AssertionError("hashed again")

    monkeypatch.setattr(remembered_hash, "sha256_of_file", never)
    assert found.hashed(a) == hashed
    again = library(tmp_path)
    assert [file.sha256 for file in again.all()] == [sha("a.ckpt"), None]


def test_a_file_that_was_replaced_gets_its_new_hash(tmp_path: Path, models: Path) -> None:
    put(models, "a.ckpt")
    found = library(tmp_path)
    found.hashed(found.find("a"))
    (models / "a.ckpt").write_text("other weights")
    assert found.hashed(found.find("a")).sha256 == sha("other weights")
    assert found.find("a").sha256 == sha("other weights")
    (models / "a.ckpt").write_text("third")
    found.refresh()
    assert found.find("a").sha256 is None


def test_hashes_of_a_diffusers_folder(tmp_path: Path, models: Path) -> None:
    put(models, "d/model_index.json", "d/unet/u.safetensors", "d/vae/v.bin")
    found = library(tmp_path)
    hashed = found.hashed(found.find("d"))
    files = {name: sha(f"d/{name}") for name in ("unet/u.safetensors", "vae/v.bin")}
    assert hashed.sha256 == folder_sha256(files)
    assert library(tmp_path).find("d").sha256 == hashed.sha256
    (models / "d" / "vae" / "v.bin").write_text("changed")
    assert library(tmp_path).find("d").sha256 is None
    assert found.hashed(hashed).sha256 == folder_sha256(files | {"vae/v.bin": sha("changed")})


def test_a_diffusers_folder_without_weights(tmp_path: Path, models: Path) -> None:
    put(models, "d/model_index.json")
    found = library(tmp_path)
    with pytest.raises(ModelFileError, match="holds no weights"):
        found.hashed(found.find("d"))


def test_a_file_deleted_after_listing(tmp_path: Path, models: Path) -> None:
    put(models, "a.ckpt")
    found = library(tmp_path)
    file = found.find("a")
    (models / "a.ckpt").unlink()
    with pytest.raises(ModelFileError, match=r"a\.ckpt"):
        found.hashed(file)


def test_a_file_still_being_copied_is_not_remembered(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(models, "a.ckpt")
    found = library(tmp_path)

    def hash_while_it_grows(path: Path, _token: CancelToken | None) -> str:
        with path.open("a") as file:
            file.write("more")
        return sha("half")

    monkeypatch.setattr(remembered_hash, "sha256_of_file", hash_while_it_grows)
    found.hashed(found.find("a"))
    assert library(tmp_path).find("a").sha256 is None


def test_two_threads_hash_a_file_once(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(models, "a.ckpt")
    found = library(tmp_path)
    file = found.find("a")
    calls: list[Path] = []
    begun, may_end = threading.Event(), threading.Event()

    def slow(path: Path, _token: CancelToken | None) -> str:
        calls.append(path)
        begun.set()
        assert may_end.wait(60)
        return sha("a.ckpt")

    monkeypatch.setattr(remembered_hash, "sha256_of_file", slow)
    results: list[str | None] = []
    threads = [threading.Thread(target=lambda: results.append(found.hashed(file).sha256)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    token = CancelToken()
    token.interrupt()
    with pytest.raises(Interrupted):  # who waits for another thread's hash may give up
        found.hashed(file, token)
    may_end.set()
    for thread in threads:
        thread.join()
    assert results == [sha("a.ckpt")] * 3
    assert len(calls) == 1


def test_hashes_of_an_a1111_installation_are_used(tmp_path: Path, models: Path) -> None:
    put(models, "sub/a.ckpt")
    known = {"mtime": (models / "sub" / "a.ckpt").stat().st_mtime, "sha256": "ab" * 32}
    (tmp_path / "cache.json").write_text(json.dumps({"hashes": {"checkpoint/sub/a.ckpt": known}}))
    found = library(tmp_path)
    assert found.find("a").title == "sub/a.ckpt [ababababab]"
    assert found.hashed(found.find("a")).sha256 == "ab" * 32


def test_found_by_the_hash_of_2022(tmp_path: Path, models: Path) -> None:
    put(models, "a.ckpt", "b.ckpt")
    (models / "b.ckpt").write_bytes(b"x" * 0x100000 + b"y" * 0x10000)
    found = library(tmp_path)
    digits = legacy_hash(models / "b.ckpt")
    assert found.find(f"{digits}").name == "b.ckpt"
    assert found.find(f"v1-5-pruned.ckpt [{digits}]").name == "b.ckpt"


def test_an_unknown_name_is_answered_with_names_nearby(tmp_path: Path, models: Path) -> None:
    put(models, "realistic.safetensors", "anime.ckpt")
    found = library(tmp_path)
    with pytest.raises(UnknownName, match=r"called “realistik\.ckpt”. Did you mean realistic\.safetensors\?"):
        found.find("realistik.ckpt")
    with pytest.raises(UnknownName) as raised:
        found.find("x" * 100_000)
    assert len(str(raised.value)) < 300


def test_the_default(tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(models, "a.ckpt", "b.ckpt")
    found = library(tmp_path)
    assert found.default(Settings()).name == "a.ckpt"
    assert found.default(Settings(sd_model_checkpoint="b.ckpt [0000000000]")).name == "b.ckpt"
    assert caplog.records == []
    assert found.default(Settings(sd_model_checkpoint="deleted.safetensors")).name == "a.ckpt"
    assert "“deleted.safetensors”" in caplog.text
    assert "Using a.ckpt" in caplog.text


def test_the_demo_model_is_chosen_unasked_only_when_it_is_alone(
    tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_demo(models)
    found = library(tmp_path)
    assert names(found) == ["easel-demo.safetensors"]  # the folder of its text encoder is none
    assert found.default(Settings()).name == "easel-demo.safetensors"
    assert found.default(Settings(sd_model_checkpoint="deleted.safetensors")).name == "easel-demo.safetensors"
    put(models, "z.ckpt", "zz.safetensors")
    found.refresh()
    caplog.clear()
    assert found.default(Settings()).name == "z.ckpt"
    assert found.default(Settings(sd_model_checkpoint="easel-demo")).name == "easel-demo.safetensors"
    assert caplog.records == []
    assert found.default(Settings(sd_model_checkpoint="deleted.safetensors")).name == "z.ckpt"
    assert "Using z.ckpt" in caplog.text


def test_what_checkpoints_say_is_read_when_asked_for_and_once(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(path: Path) -> SafetensorsHeader | None:
        read.append(path.name)
        return read_header(path)

    monkeypatch.setattr(checkpoint_info, "read_header", reading)
    write_demo(models)
    put(models, *(f"m{number}.safetensors" for number in range(1000)))
    found = library(tmp_path)
    assert len(found.all()) == 1001
    assert read == []
    for _ in range(2):
        assert found.default(Settings()).name == "m0.safetensors"
        assert found.info(found.find("easel-demo")).size == (128, 128)
        found.refresh()
    assert read == ["easel-demo.safetensors", "m0.safetensors"]


def test_the_given_configuration_describes_a_checkpoint_without_its_own(tmp_path: Path, models: Path) -> None:
    shapes = {
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [320, 1024],
        "cond_stage_model.model.ln_final.weight": [1024],
    }
    write_header(models / "v2.safetensors", {}, shapes)
    given = tmp_path / "given.yaml"
    given.write_text("model: {params: {parameterization: v}}")
    for config, side in ((given, 768), (None, 512)):
        found = library(tmp_path, config=config)
        assert found.info(found.find("v2")).size == (side, side)


def test_without_any_checkpoint_the_folder_to_fill_is_named(tmp_path: Path, models: Path) -> None:
    with pytest.raises(NoModelError, match=str(models)):
        library(tmp_path).default(Settings(sd_model_checkpoint="a"))


def test_refresh_sees_what_is_new(tmp_path: Path, models: Path) -> None:
    found = library(tmp_path)
    assert found.all() == ()
    put(models, "a.ckpt")
    assert found.all() == ()
    found.refresh()
    assert names(found) == ["a.ckpt"]


def test_ten_thousand_files_in_about_a_second(tmp_path: Path, models: Path) -> None:
    for folder in range(100):
        (models / f"folder {folder}").mkdir()
        for number in range(100):
            (models / f"folder {folder}" / f"model {number}.safetensors").touch()
    found = library(tmp_path)
    started = time.process_time()  # not the wall clock: test machines are shared
    assert len(found.all()) == 10_000
    assert time.process_time() - started < 2
