"""The library of model files, with real files."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, ModelFileError, OutputError, UnknownName
from modules.library import indexer, model_library
from modules.library.kinds import ModelKind
from modules.library.model_library import KINDS, ModelLibrary
from modules.library.shelf import CardQuery
from modules.library.sidecars import UserNotes
from modules.storage.hashes import HashCache
from tests.library.model_data import CHECKPOINT, EMBEDDING, LORA, open_library, put_lora, touch
from tests.safetensors_headers import write_header

LORAS, VAES = ModelKind.LORA, ModelKind.VAE


def names(library: ModelLibrary, kind: ModelKind = LORAS) -> list[str]:
    return [entry.name for entry in library.all(kind)]


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the model files that are read from now on."""
    read: list[str] = []
    real = indexer.read_facts

    def reading(path: Path) -> object:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(indexer, "read_facts", reading)
    return read


# What is there


def test_what_is_known_of_a_file(tmp_path: Path) -> None:
    path = put_lora(tmp_path, "styles/ink", {"ss_output_name": "Ink v2", "modelspec.description": "theirs"})
    path.with_suffix(".json").write_text(json.dumps({"activation text": "inkdrawing"}))
    path.with_suffix(".civitai.info").write_text(json.dumps({"trainedWords": ["ink"], "baseModel": "Pony"}))
    path.with_name("ink.preview.png").touch()
    (entry,) = open_library(tmp_path).all(LORAS)
    assert (entry.name, entry.relative, entry.folder) == ("ink", "styles/ink.safetensors", "styles")
    assert (entry.alias, entry.description, entry.trigger_words) == ("Ink v2", "theirs", ("ink",))
    assert (entry.facts.content.kind, entry.facts.content.rank) == (LORAS, 4)
    assert (entry.family, entry.base_model) == ("SD 1.x", "Pony")
    assert entry.sidecars.notes.activation_text == "inkdrawing"
    assert entry.preview == path.with_name("ink.preview.png")
    assert (entry.size, entry.modified) == (path.stat().st_size, path.stat().st_mtime_ns)


def test_every_kind_has_its_folders(tmp_path: Path) -> None:
    put_lora(tmp_path, "a")
    write_header(tmp_path / "embeddings" / "b.safetensors", {}, EMBEDDING)
    for name in ("models/hypernetworks/c.pt", "models/VAE/d.pt", "models/ESRGAN/e.pth"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"?")
    write_header(tmp_path / "models" / "Stable-diffusion" / "sub" / "f.safetensors", {}, CHECKPOINT)
    write_header(tmp_path / "models" / "Stable-diffusion" / "f.vae.safetensors", {}, {"decoder.conv_in.bias": (4,)})
    library = open_library(tmp_path)
    assert {kind: names(library, kind) for kind in KINDS} == {
        ModelKind.LORA: ["a"],
        ModelKind.EMBEDDING: ["b"],
        ModelKind.HYPERNETWORK: ["c"],
        ModelKind.VAE: ["d.pt", "f.vae.safetensors"],
        ModelKind.UPSCALER: ["e"],
        ModelKind.CHECKPOINT: ["sub/f.safetensors"],
    }
    assert library.all(VAES)[1].facts.content.kind is VAES


def test_files_are_read_once_and_known_after_a_restart(tmp_path: Path, read_files: list[str]) -> None:
    for name in ("a", "sub/b"):
        put_lora(tmp_path, name, {"ss_output_name": name})
    before = open_library(tmp_path).all(LORAS)
    assert sorted(read_files) == ["a.safetensors", "b.safetensors"]
    library = open_library(tmp_path)
    assert library.all(LORAS) == before
    assert library.all(LORAS) is library.all(LORAS)
    library.refresh()
    assert library.all(LORAS) == before
    assert len(read_files) == 2


def test_added_removed_and_renamed_files_are_noticed(tmp_path: Path, read_files: list[str]) -> None:
    library = open_library(tmp_path)
    assert names(library) == []
    a = put_lora(tmp_path, "a")
    put_lora(tmp_path, "sub/b")
    assert names(library) == ["a", "b"]
    kept = library.find(LORAS, "b")
    a.rename(a.with_name("c.safetensors"))
    assert names(library) == ["b", "c"]
    assert library.find(LORAS, "b") is kept
    kept.path.unlink()
    assert names(library) == ["c"]
    assert read_files == ["a.safetensors", "b.safetensors", "c.safetensors"]


def test_what_changed_in_place_is_found_by_a_refresh(tmp_path: Path, read_files: list[str]) -> None:
    path = put_lora(tmp_path, "a")
    put_lora(tmp_path, "b")
    library = open_library(tmp_path)
    library.all(LORAS)
    read_files.clear()
    put_lora(tmp_path, "a", {"ss_output_name": "new name"})
    touch(path, seconds=1)
    library.refresh(LORAS)
    assert library.find(LORAS, "new name").path == path
    path.with_suffix(".png").touch()
    library.refresh()
    assert library.find(LORAS, "a").preview == path.with_suffix(".png")
    path.with_suffix(".txt").write_text("about it")
    library.refresh()
    assert library.find(LORAS, "a").description == "about it"
    path.with_suffix(".txt").write_text("more about it")
    library.refresh()
    assert library.find(LORAS, "a").description == "more about it"
    path.with_suffix(".txt").unlink()
    library.refresh()
    assert library.find(LORAS, "a").description == ""
    assert read_files == ["a.safetensors"]


def test_several_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_header(tmp_path / name / f"{name}.safetensors", {}, LORA)
        write_header(tmp_path / name / "both.safetensors", {}, LORA)
    library = open_library(tmp_path, lora_dir=(tmp_path / "one", tmp_path / "two"))
    assert names(library) == ["both", "one", "two"]
    assert library.find(LORAS, "both").path == tmp_path / "one" / "both.safetensors"


def test_files_of_any_content_are_listed(tmp_path: Path) -> None:
    folder = put_lora(tmp_path, "a").parent
    contents = (b"", b"{}", os.urandom(500), (2**60).to_bytes(8, "little") + b"{", b"\x80\x02}.")
    for number, content in enumerate(contents):
        (folder / f"x{number}.safetensors").write_bytes(content)
    (folder / "folder.safetensors").mkdir()
    (folder / "gone.safetensors").symlink_to(folder / "nowhere")
    (folder / os.fsdecode(b"\xff.safetensors")).touch()
    library = open_library(tmp_path)
    assert names(library) == ["a", "x0", "x1", "x2", "x3", "x4"]
    assert {entry.facts.content.kind for entry in library.all(LORAS)[1:]} == {ModelKind.UNKNOWN}
    (folder / "x0.safetensors").unlink()
    (folder / "x0.safetensors").symlink_to(folder / "x0.safetensors")
    library.refresh()
    assert names(library) == ["a", "x1", "x2", "x3", "x4"]


def test_without_a_usable_database_files_are_read_again(
    tmp_path: Path, read_files: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    put_lora(tmp_path, "a")
    (tmp_path / "easel.sqlite3").mkdir()
    for _ in range(2):
        library = open_library(tmp_path)
        assert names(library) == ["a"]
        library.refresh()
    assert read_files == ["a.safetensors"] * 2
    assert caplog.text.count("read again at the next start") == 2


def test_what_another_version_wrote_is_read_again(
    tmp_path: Path, read_files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_lora(tmp_path, "a")
    open_library(tmp_path).all(LORAS)
    monkeypatch.setattr(indexer, "FACTS_VERSION", indexer.FACTS_VERSION + 1)
    open_library(tmp_path).all(LORAS)
    assert len(read_files) == 2


def test_sqlalchemy_is_imported_only_when_models_are_asked_for() -> None:
    program = (
        "import sys, pathlib\n"
        "from tests.library.model_data import open_library\n"
        "open_library(pathlib.Path('unused'))\n"
        "assert not {'sqlalchemy', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_reading_can_be_stopped_and_what_was_read_is_kept(
    tmp_path: Path, read_files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        put_lora(tmp_path, f"{number}")
    library = open_library(tmp_path)
    real = indexer.read_facts

    def closing_soon(path: Path) -> object:
        assert library.progress(LORAS) == (int(path.stem) + 1, 6)
        if path.stem == "3":
            library.close()
        return real(path)

    monkeypatch.setattr(indexer, "read_facts", closing_soon)
    assert library.progress(LORAS) is None
    with pytest.raises(Interrupted):
        library.all(LORAS)
    assert library.progress(LORAS) is None
    monkeypatch.setattr(indexer, "read_facts", real)
    read_files.clear()
    assert len(open_library(tmp_path).all(LORAS)) == 6
    assert read_files == ["4.safetensors", "5.safetensors"]


def test_many_threads_ask_at_once(tmp_path: Path, read_files: list[str]) -> None:
    for number in range(30):
        put_lora(tmp_path, f"{number}")
    library = open_library(tmp_path)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(library.all(LORAS)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [30] * 8
    assert len(read_files) == 30


# Names


def test_names(tmp_path: Path) -> None:
    put_lora(tmp_path, "styles/ink", {"ss_output_name": "Ink Drawing"})
    put_lora(tmp_path, "other/ink", {"ss_output_name": "ink"})
    put_lora(tmp_path, "first", {"ss_output_name": "twice"})
    put_lora(tmp_path, "second", {"ss_output_name": "twice"})
    library = open_library(tmp_path)
    wanted = ("ink", "other/ink", "styles/ink", "styles/ink.safetensors", "Ink Drawing", "INK", "ink drawing", "FIRST")
    assert [library.find(LORAS, name).relative.partition(".")[0] for name in wanted] == [
        *("other/ink", "other/ink", "styles/ink", "styles/ink", "styles/ink", "other/ink", "styles/ink", "first")
    ]
    with pytest.raises(UnknownName, match=r"“twice” is what several files call themselves: first, second\. Use the"):
        library.find(LORAS, "twice")
    with pytest.raises(UnknownName, match=r"There is no LoRA called “firts”\. Did you mean first\?"):
        library.find(LORAS, "firts")
    with pytest.raises(UnknownName, match=r"There is no VAE called “x+”\. Refresh the list"):
        library.find(VAES, "x" * 1000)


@pytest.mark.parametrize("name", ["", "..", "../a", "/etc/passwd", "a\0", ".", "a/../a", "\ud800"])
def test_no_name_leads_out_of_the_folders(name: str, tmp_path: Path) -> None:
    put_lora(tmp_path, "a")
    put_lora(tmp_path, "../a")
    with pytest.raises(UnknownName):
        open_library(tmp_path).find(LORAS, name)


def test_checkpoints_have_the_names_of_their_own_list(tmp_path: Path) -> None:
    path = write_header(tmp_path / "models" / "Stable-diffusion" / "sub" / "f.safetensors", {}, CHECKPOINT)
    library = open_library(tmp_path)
    sha256 = library.hashes(library.all(ModelKind.CHECKPOINT)[0]).sha256
    for name in ("f", "sub/f.safetensors", f"sub/f.safetensors [{sha256[:10]}]", sha256[:10], str(path)):
        assert library.find(ModelKind.CHECKPOINT, name).path == path
    with pytest.raises(UnknownName, match="no checkpoint called"):
        library.find(ModelKind.CHECKPOINT, "g")


# Files that have moved


@pytest.fixture
def hashed(tmp_path: Path) -> tuple[Path, str, str]:
    """A LoRA whose hashes are known: its path and both."""
    path = put_lora(tmp_path, "a")
    library = open_library(tmp_path)
    hashes = library.hashes(library.find(LORAS, "a"))
    return path, hashes.sha256, hashes.tensors


def known(library: ModelLibrary, name: str, kind: ModelKind = LORAS) -> tuple[str, str]:
    hashes = library.known_hashes(library.find(kind, name))
    return hashes.sha256, hashes.tensors


def test_a_renamed_file_keeps_its_hashes(tmp_path: Path, hashed: tuple[Path, str, str]) -> None:
    path, sha256, tensors = hashed
    path = path.rename(path.with_name("b.safetensors"))
    library = open_library(tmp_path)
    assert known(library, "b") == (sha256, tensors)
    (path.parent / "sub").mkdir()
    path.rename(path.parent / "sub" / "c.safetensors")
    assert known(library, "c") == (sha256, tensors)


def test_a_file_moved_to_the_folder_of_another_kind_keeps_its_hash(
    tmp_path: Path, hashed: tuple[Path, str, str]
) -> None:
    path, sha256, _ = hashed
    (tmp_path / "models" / "VAE").mkdir()
    path.rename(tmp_path / "models" / "VAE" / "a.safetensors")
    library = open_library(tmp_path)
    library.refresh()
    assert known(library, "a", VAES) == (sha256, "")


def test_a_file_copied_elsewhere_and_deleted_keeps_its_hashes(tmp_path: Path, hashed: tuple[Path, str, str]) -> None:
    path, sha256, tensors = hashed
    copy = path.parent / "sub" / path.name
    copy.parent.mkdir()
    shutil.copy2(path, copy)
    assert copy.stat().st_ino != path.stat().st_ino
    touch(copy, seconds=int(path.stat().st_mtime))
    path.unlink()
    assert known(open_library(tmp_path), "a") == (sha256, tensors)


def test_a_copy_has_no_hashes_as_long_as_the_file_is_there(tmp_path: Path, hashed: tuple[Path, str, str]) -> None:
    path = hashed[0]
    for folder in (path.parent / "sub", tmp_path / "models" / "VAE"):
        folder.mkdir()
        shutil.copy2(path, folder)
    assert known(open_library(tmp_path), "sub/a") == ("", "")
    assert known(open_library(tmp_path), "a.safetensors", VAES) == ("", "")


@pytest.mark.parametrize("difference", ["time", "name", "content", "size"])
def test_a_file_that_may_be_another_has_no_hashes(
    difference: str, tmp_path: Path, hashed: tuple[Path, str, str]
) -> None:
    path, content, stat = hashed[0], hashed[0].read_bytes(), hashed[0].stat()
    path.unlink()
    name = "b.safetensors" if difference == "name" else path.name
    new = path.parent / "sub" / name
    new.parent.mkdir()
    changed = {"content": content.replace(b"320", b"640"), "size": content + b"x"}
    (path.parent / "other inode").touch()
    new.write_bytes(changed.get(difference, content))
    later = 3 * 10**9 if difference == "time" else 10**9
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns + later))
    assert known(open_library(tmp_path), new.stem) == ("", "")


def test_a_changed_file_has_no_hashes(tmp_path: Path, hashed: tuple[Path, str, str]) -> None:
    touch(hashed[0], seconds=5)
    assert known(open_library(tmp_path), "a") == ("", "")


def test_files_of_a_drive_that_is_away_are_not_forgotten(
    tmp_path: Path, hashed: tuple[Path, str, str], read_files: list[str]
) -> None:
    folder = hashed[0].parent
    put_lora(tmp_path, "b")
    library = open_library(tmp_path)
    assert names(library) == ["a", "b"]
    read_files.clear()
    folder.rename(tmp_path / "away")
    library.refresh()
    assert names(library) == []
    (tmp_path / "away").rename(folder)
    assert known(library, "a") == hashed[1:]
    assert read_files == []
    (folder / "b.safetensors").rename(tmp_path / "b.safetensors")
    library.refresh()
    (tmp_path / "b.safetensors").rename(folder / "b.safetensors")
    assert names(library) == ["a", "b"]
    assert read_files == ["b.safetensors"], "forgotten: its folder was there, and it was not"


# Hashes


def test_both_hashes_of_a_lora_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_lora(tmp_path, "a")
    path.write_bytes(path.read_bytes() + b"weights")
    library = open_library(tmp_path)
    entry = library.find(LORAS, "a")
    hashes = library.hashes(entry)
    assert hashes.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert hashes.tensors == hashlib.sha256(b"weights").hexdigest()
    assert library.network_hash(entry) == hashes.tensors[:12]
    monkeypatch.setattr(model_library, "hash_safetensors", None)
    assert library.hashes(entry) == hashes
    again = open_library(tmp_path)
    assert again.hashes(again.find(LORAS, "a")) == hashes


def test_the_hash_that_a_trainer_wrote_stands_for_a_lora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in A1111, so that infotexts of both programs name the same file."""
    path = put_lora(tmp_path, "a", {"sshs_model_hash": "ab" * 32})
    library = open_library(tmp_path)
    entry = library.find(LORAS, "a")
    real = model_library.hash_safetensors
    monkeypatch.setattr(model_library, "hash_safetensors", None)
    assert library.network_hash(entry) == "ab" * 6
    monkeypatch.setattr(model_library, "hash_safetensors", real)
    assert library.hashes(entry).tensors == "ab" * 32
    assert library.known_hashes(entry).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_hashes_of_other_files_are_of_the_whole_file(tmp_path: Path) -> None:
    lora = put_lora(tmp_path, "a").rename(tmp_path / "models" / "Lora" / "a.pt")
    embedding = write_header(tmp_path / "embeddings" / "b.safetensors", {}, EMBEDDING)
    library = open_library(tmp_path)
    for kind, path in ((LORAS, lora), (ModelKind.EMBEDDING, embedding)):
        entry = library.all(kind)[0]
        hashes = library.hashes(entry)
        assert (hashes.sha256, hashes.tensors) == (hashlib.sha256(path.read_bytes()).hexdigest(), "")
        assert library.known_hashes(entry) == hashes
        assert library.network_hash(entry) == hashes.sha256[:12]


def test_a_file_that_changes_while_it_is_hashed_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put_lora(tmp_path, "a")
    library = open_library(tmp_path)
    entry = library.find(LORAS, "a")
    real = model_library.hash_safetensors

    def growing(file: Path, token: CancelToken | None) -> object:
        with path.open("ab") as stream:
            stream.write(b"more")
        return real(file, token)

    monkeypatch.setattr(model_library, "hash_safetensors", growing)
    library.hashes(entry)
    assert known(open_library(tmp_path), "a") == ("", "")


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    path = put_lora(tmp_path, "a")
    library = open_library(tmp_path)
    entry = library.find(LORAS, "a")
    path.unlink()
    with pytest.raises(ModelFileError, match="Cannot read"):
        library.hashes(entry)


# Notes and misplaced files


def test_notes_are_saved_beside_the_file_and_known_at_once(tmp_path: Path, read_files: list[str]) -> None:
    path = put_lora(tmp_path, "sub/my.style.v1")
    library = open_library(tmp_path)
    notes = UserNotes(activation_text="inkdrawing", preferred_weight=0.8, sd_version="SDXL")
    library.save_notes(library.find(LORAS, "my.style.v1"), notes)
    assert json.loads(path.with_name("my.style.v1.json").read_text()) == {
        "sd version": "SDXL",
        "activation text": "inkdrawing",
        "preferred weight": 0.8,
    }
    entry = library.find(LORAS, "my.style.v1")
    assert (entry.sidecars.notes, entry.family) == (notes, "SDXL")
    assert library.page(CardQuery(kind=LORAS, search="inkdraw")).entries == (entry,)
    assert read_files == ["my.style.v1.safetensors"]
    path.with_name("my.style.v1.json").write_text("broken")
    with pytest.raises(OutputError):
        library.save_notes(entry, UserNotes())


def test_notes_of_a_diffusers_folder_lie_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "Stable-diffusion" / "my.model"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    library = open_library(tmp_path)
    (entry,) = library.all(ModelKind.CHECKPOINT)
    assert (entry.facts.content.kind, entry.family) == (ModelKind.CHECKPOINT, "SDXL")
    library.save_notes(entry, UserNotes(vae="x.pt"))
    assert json.loads(folder.with_name("my.model.json").read_text()) == {"vae": "x.pt"}
    assert library.all(ModelKind.CHECKPOINT)[0].sidecars.notes.vae == "x.pt"


def test_files_in_wrong_folders_are_said_by_name(tmp_path: Path) -> None:
    models = tmp_path / "models"
    put_lora(tmp_path, "right")
    write_header(models / "Lora" / "big.safetensors", {}, CHECKPOINT)
    write_header(models / "Lora" / "sub" / "word.safetensors", {}, EMBEDDING)
    write_header(models / "Lora" / "guide.safetensors", {}, {"control_model.input_hint_block.0.weight": (16, 3, 3, 3)})
    write_header(models / "Stable-diffusion" / "style.safetensors", {}, LORA)
    (models / "Lora" / "who knows.pt").write_bytes(b"?")
    library = open_library(tmp_path)
    assert [sentence for _, sentence in library.misplaced()] == [
        f"“big.safetensors” is a checkpoint for SD 1.x, not a LoRA. Move it to {models}/Stable-diffusion.",
        "“guide.safetensors” is a ControlNet, not a LoRA. This version does not use such files.",
        f"“sub/word.safetensors” is an embedding (textual inversion) for SD 1.x, not a LoRA. "
        f"Move it to {tmp_path}/embeddings.",
        f"“style.safetensors” is a LoRA for SD 1.x, not a checkpoint. Move it to {models}/Lora.",
    ]
    assert library.misplacement(library.find(LORAS, "right")) is None


# In the background


def wait_for(condition: threading.Event) -> None:
    assert condition.wait(20)


def test_hashes_are_computed_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        put_lora(tmp_path, name)
    write_header(tmp_path / "models" / "Stable-diffusion" / "c.safetensors", {}, CHECKPOINT)
    library = open_library(tmp_path)
    done = threading.Event()
    real = HashCache.put
    put: list[str] = []

    def counting(cache: HashCache, file: Path, sha256: str) -> None:
        real(cache, file, sha256)
        put.append(file.name)
        if len(put) == 3:
            done.set()

    monkeypatch.setattr(HashCache, "put", counting)
    library.start()
    wait_for(done)
    assert sorted(put) == ["a.safetensors", "b.safetensors", "c.safetensors"]
    done.clear()
    put[:] = ["", ""]
    put_lora(tmp_path, "d")
    library.refresh()
    wait_for(done)
    assert put[2] == "d.safetensors"
    library.close()
    again = open_library(tmp_path)
    assert all(known(again, name)[0] for name in ("a", "b", "d"))
    assert known(again, "c", ModelKind.CHECKPOINT)[0]


def test_closing_stops_in_the_middle_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_lora(tmp_path, "a")
    put_lora(tmp_path, "b")
    library = open_library(tmp_path)
    started = threading.Event()
    hashed: list[str] = []

    def endless(path: Path, token: CancelToken | None) -> object:
        assert token
        hashed.append(path.name)
        started.set()
        while True:
            token.check_interrupted()

    monkeypatch.setattr(model_library, "hash_safetensors", endless)
    library.start()
    wait_for(started)
    library.close()
    assert not any(thread.name == "model hashes" for thread in threading.enumerate())
    assert len(hashed) == 1


def test_a_file_that_cannot_be_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put_lora(tmp_path, "a")
    put_lora(tmp_path, "bb")
    library = open_library(tmp_path)
    done = threading.Event()
    real = model_library.hash_safetensors

    def failing(path: Path, token: CancelToken | None) -> object:
        if path.stem == "a":
            raise ModelFileError("Cannot read a.")
        done.set()
        return real(path, token)

    monkeypatch.setattr(model_library, "hash_safetensors", failing)
    touch(tmp_path / "models" / "Lora" / "a.safetensors", seconds=1)
    library.start()
    wait_for(done)
    library.close()
    assert "Cannot read a." in caplog.text


def test_closing_what_was_never_started(tmp_path: Path) -> None:
    open_library(tmp_path).close()
