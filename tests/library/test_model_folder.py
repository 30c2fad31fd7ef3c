import os
from pathlib import Path

import pytest

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.library import model_folder
from modules.library.model_folder import (
    ModelFile,
    ModelFolder,
    Place,
    embedding_folder,
    hypernetwork_folder,
    lora_folder,
    upscaler_folder,
    vae_folder,
)
from modules.library.natural_order import natural_key


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def names(folder: ModelFolder) -> list[str]:
    return [file.name for file in folder.all()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def folder(root: Path) -> ModelFolder:
    return ModelFolder([Place(folder=root, endings=(".pt", ".bin"))])


def test_models_are_known_by_their_names(folder: ModelFolder, root: Path) -> None:
    put(root, "b.PT", "sub/Zebra 10.pt", "sub/zebra 2.bin", "a.v1.pt", "notes.txt", ".pt", "c.pt.optim")
    assert names(folder) == ["a.v1", "b", "zebra 2", "Zebra 10"]
    assert folder.all()[3] == ModelFile(path=root / "sub" / "Zebra 10.pt", name="Zebra 10", relative="sub/Zebra 10.pt")


def test_what_is_added_removed_or_renamed_is_noticed(folder: ModelFolder, root: Path) -> None:
    assert names(folder) == []
    put(root, "a.pt", "sub/b.pt")
    assert names(folder) == ["a", "b"]
    before = folder.all()
    assert folder.all() is before
    os.utime(root, ns=(1, 1))
    assert folder.all() is before, "nothing changed but the time"
    (root / "sub" / "b.pt").rename(root / "sub" / "c.pt")
    assert names(folder) == ["a", "c"]
    (root / "sub" / "c.pt").unlink()
    (root / "a.pt").unlink()
    assert names(folder) == []


def test_a_folder_that_is_made_later_is_noticed(root: Path) -> None:
    folder = ModelFolder([Place(folder=root / "later", endings=(".pt",))])
    assert names(folder) == []
    put(root / "later", "a.pt")
    assert names(folder) == ["a"]


def test_files_are_not_looked_at_to_see_whether_the_list_holds(
    folder: ModelFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "a.pt")
    assert names(folder) == ["a"]
    monkeypatch.setattr(model_folder, "walk", None)
    assert names(folder) == ["a"]
    monkeypatch.undo()
    os.utime(root, ns=(1, 1))
    folder.refresh()
    assert names(folder) == ["a"]


def test_of_two_files_with_one_name_the_earlier_ending_wins_in_silence(
    folder: ModelFolder, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(root, "a.bin", "a.pt")
    assert [file.path.name for file in folder.all()] == ["a.pt"]
    assert not caplog.records


def test_of_one_name_in_two_folders_the_outer_one_keeps_it(folder: ModelFolder, root: Path) -> None:
    put(root, "sub/a.bin", "a.pt", "other/a.pt", "other/deeper/b.pt", "sub/b.pt")
    assert [(file.name, file.relative) for file in folder.all()] == [
        ("a", "a.pt"),
        ("other/a", "other/a.pt"),
        ("sub/a", "sub/a.bin"),
        ("b", "sub/b.pt"),
        ("other/deeper/b", "other/deeper/b.pt"),
    ]


def test_the_earlier_place_comes_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path / "one", "sub/a.pt", "b.pt")
    put(tmp_path / "two", "a.pt", "sub/a.pt", "b.pt")
    places = [Place(folder=tmp_path / name, endings=(".pt",)) for name in ("one", "two")]
    found = {file.name: file.path.relative_to(tmp_path).as_posix() for file in ModelFolder(places).all()}
    assert found == {"a": "one/sub/a.pt", "sub/a": "two/sub/a.pt", "b": "one/b.pt"}
    left_out = [record.getMessage().partition(" is left out")[0] for record in caplog.records]
    assert left_out == [str(tmp_path / "two" / "a.pt"), str(tmp_path / "two" / "b.pt")]


def test_a_place_inside_another_or_linked_to_it_counts_once(
    tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(root, "a.pt", "sub/b.pt")
    (tmp_path / "link").symlink_to(root / "sub")
    folders = (root, root / "sub", tmp_path / "link")
    found = ModelFolder([Place(folder=folder, endings=(".pt",)) for folder in folders]).all()
    assert [file.relative for file in found] == ["a.pt", "sub/b.pt"]
    assert not caplog.records


# The kinds


def test_pictures_beside_embeddings_are_their_previews(tmp_path: Path) -> None:
    put(tmp_path / "embeddings", "a.pt", "a.png", "b.safetensors", "b.preview.png", "c.webp", "d.preview.png", "e.jpg")
    files = embedding_folder(resolve_paths(Flags(data_dir=tmp_path)))
    assert [file.relative for file in files.all()] == ["a.pt", "b.safetensors", "c.webp"]


def test_hypernetworks(tmp_path: Path) -> None:
    put(tmp_path / "models" / "hypernetworks", "a.pt", "b.safetensors", "sub/c.pt", "a.pt.optim")
    files = hypernetwork_folder(resolve_paths(Flags(data_dir=tmp_path)))
    assert names(files) == ["a", "c"]


def test_vaes_keep_their_endings_and_may_lie_among_the_checkpoints(tmp_path: Path) -> None:
    put(tmp_path / "models" / "VAE", "vae2.vae.pt", "vae10.safetensors", "sub/x.ckpt", "readme.md")
    put(tmp_path / "models" / "Stable-diffusion", "model.safetensors", "model.vae.safetensors", "sub/y.vae.ckpt")
    put(tmp_path / "more", "z.pt")
    files = vae_folder(resolve_paths(Flags(data_dir=tmp_path, vae_dir=(tmp_path / "more",))))
    expected = ["model.vae.safetensors", "vae2.vae.pt", "vae10.safetensors", "x.ckpt", "y.vae.ckpt", "z.pt"]
    assert names(files) == expected


def test_loras_lie_in_several_folders(tmp_path: Path) -> None:
    put(tmp_path / "one", "a.safetensors", "a.png", "b.pt", "b.json")
    put(tmp_path / "two", "c.ckpt", "d.bin", "put-loras-here.txt")
    folders = (tmp_path / "one", tmp_path / "two")
    assert names(lora_folder(resolve_paths(Flags(data_dir=tmp_path, lora_dir=folders)))) == ["a", "b", "c", "d"]


def test_upscalers(tmp_path: Path) -> None:
    put(tmp_path / "models" / "ESRGAN", "4x.pth", "2x.safetensors", "readme.txt")
    assert names(upscaler_folder(resolve_paths(Flags(data_dir=tmp_path)))) == ["2x", "4x"]


def test_numbers_are_sorted_by_value() -> None:
    assert sorted(["b", "A10", "a2", "a"], key=natural_key) == ["a", "a2", "A10", "b"]
