import os
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from modules.adapters import embedding_folder
from modules.adapters.embedding_files import Embedding, embedding_of
from modules.adapters.embedding_folder import EmbeddingFolder
from modules.adapters.textual_inversion import ModelEmbeddings, NamedEmbeddings, infotext_hashes
from modules.conditioning.encode import TextOptions, encode_texts
from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError, UnsafeFileError
from modules.core.flags import Flags
from modules.core.paths import CONFIGS, resolve_paths
from modules.library import model_folder
from modules.library.model_folder import ModelFolder
from modules.prompting.schedule import prompt_schedule
from modules.prompting.tokenizer import ClipTokenizer
from tests.adapters.embedding_writers import as_info, as_json, hidden_in_pixels, photo, save, trained, vectors
from tests.checkpoint_variants import write_malicious_ckpt
from tests.conditioning.test_encode import TokenTable, prompt_encoder

WIDTH = 6  # of `TokenTable`


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "embeddings").mkdir()
    return tmp_path / "embeddings"


@pytest.fixture
def files(tmp_path: Path, root: Path) -> ModelFolder:
    assert root.is_dir()
    return model_folder.embedding_folder(resolve_paths(Flags(data_dir=tmp_path)))


@pytest.fixture
def folder(files: ModelFolder) -> EmbeddingFolder:
    return EmbeddingFolder(files.all)


def second_encoder() -> TokenTable:
    table = TokenTable(seed=1)
    table.embedding_key = "clip_g"
    return table


def sd1(folder: EmbeddingFolder) -> ModelEmbeddings:
    return ModelEmbeddings(folder, [TokenTable()])


def sdxl(folder: EmbeddingFolder) -> ModelEmbeddings:
    return ModelEmbeddings(folder, [TokenTable(), second_encoder()])


def put_six(root: Path) -> None:
    """Every form, under names that are one token."""
    save(root / "cat.pt", trained(vectors(3, WIDTH, seed=1), name="inner"))
    save(root / "dog.bin", {"<dog>": vectors(1, WIDTH, seed=2)[0]})
    save_file({"emb_params": vectors(2, WIDTH, seed=3)}, root / "bird.safetensors")
    photo(32, 32).save(root / "file.png", pnginfo=as_info(trained(vectors(1, WIDTH, seed=4), name="fish")))
    hidden_in_pixels(as_json(trained(vectors(2, WIDTH, seed=5), name="horse"))).save(root / "x.webp", lossless=True)
    save_file({"clip_l": vectors(2, WIDTH, seed=6), "clip_g": vectors(2, WIDTH, seed=7)}, root / "both.safetensors")


def test_all_forms_can_be_named_in_one_prompt(folder: EmbeddingFolder, root: Path) -> None:
    put_six(root)
    embeddings = sd1(folder).now()
    schedule = prompt_schedule("cat dog bird fish horse", 20)
    encoder = prompt_encoder(TokenTable())
    text = encode_texts(encoder, schedule, TextOptions(), token=CancelToken(), embeddings=embeddings).at(0)
    expected = [vectors(count, WIDTH, seed) for seed, count in enumerate((3, 1, 2, 1, 2), start=1)]
    assert text.vectors[0, 1:10].equal(torch.cat(expected))
    assert text.embeddings.used == (("cat", "dog", "bird", "fish", "horse"),)


def test_two_encoders_get_their_own_vectors(folder: EmbeddingFolder, root: Path) -> None:
    put_six(root)
    embeddings = sdxl(folder).now()
    assert embeddings.problem("both") is None
    assert embeddings.vectors("both", 0).equal(vectors(2, WIDTH, seed=6))
    assert embeddings.vectors("both", 1).equal(vectors(2, WIDTH, seed=7))
    assert embeddings.problem("cat") == (
        "The embedding “cat.pt” is for another kind of model: its vectors have 6 numbers, those of this checkpoint "
        "6 and 6 numbers. Its name was read as plain text."
    )


def test_names_that_do_not_fit_are_words(folder: EmbeddingFolder, root: Path) -> None:
    save(root / "wrong.pt", trained(vectors(1, 8)))
    put_six(root)
    (root / "broken.pt").write_bytes(b"nonsense")
    write_malicious_ckpt(root / "harm.pt", root / "marker")
    embeddings = sd1(folder).now()
    encoder = prompt_encoder(TokenTable())
    text = "wrong both broken harm"

    def read(embeddings: NamedEmbeddings | None) -> torch.Tensor:
        schedule = prompt_schedule(text, 20)
        timeline = encode_texts(encoder, schedule, TextOptions(), token=CancelToken(), embeddings=embeddings)
        if embeddings:
            assert timeline.at(0).embeddings.unusable == ("wrong", "both", "broken", "harm")
        return timeline.at(0).vectors

    assert read(embeddings).equal(read(None))
    problems = [embeddings.problem(name) for name in ("wrong", "both", "broken", "harm")]
    for problem, part in zip(problems, ("8 numbers", "6 and 6 numbers", "broken.pt", "was refused"), strict=True):
        assert problem is not None
        assert part in problem
    with pytest.raises(KeyError):
        embeddings.vectors("wrong", 0)
    assert not (root / "marker").exists()


def test_files_are_read_only_when_a_prompt_names_them(
    folder: EmbeddingFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_six(root)
    asked: list[str] = []
    read = embedding_folder.read_embedding

    def remembering(path: Path) -> Embedding:
        asked.append(path.stem)
        return read(path)

    monkeypatch.setattr(embedding_folder, "read_embedding", remembering)
    embeddings = sd1(folder).now()
    assert asked == []
    for _ in range(2):
        assert embeddings.vectors("cat", 0).shape == (3, WIDTH)
    assert asked == ["cat"]


class CountingTokenizer(ClipTokenizer):
    """Remembers what it was asked for."""

    asked: list[str]

    def encode(self, text: str) -> list[int]:
        self.asked.append(text)
        return super().encode(text)


def test_names_are_tokenised_once_whatever_changes(folder: EmbeddingFolder, root: Path) -> None:
    put_six(root)
    tokenizer = CountingTokenizer.from_folder(CONFIGS / "clip")
    assert isinstance(tokenizer, CountingTokenizer)
    tokenizer.asked = []
    models = [ModelEmbeddings(folder, [TokenTable(tokenizer=tokenizer)]) for _ in range(2)]
    for model in models:
        model.now()
    save(root / "new.pt", trained(vectors(1, WIDTH)))
    for model in models:
        model.now()
    assert sorted(tokenizer.asked) == ["bird", "both", "cat", "dog", "fish", "horse", "new"]


def test_nothing_new_is_made_while_nothing_changes(folder: EmbeddingFolder, root: Path) -> None:
    put_six(root)
    here, there = sd1(folder), sd1(folder)
    embeddings = here.now()
    embeddings.vectors("cat", 0)
    assert here.now() is embeddings
    assert there.now() is not embeddings


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda root: save(root / "new.pt", trained(vectors(1, WIDTH))),
    "removed": lambda root: (root / "dog.bin").unlink(),
    "renamed": lambda root: (root / "dog.bin").rename(root / "wolf.bin"),
    "written again": lambda root: save(root / "cat.pt", trained(vectors(3, WIDTH, seed=9))),
    "touched": lambda root: os.utime(root / "cat.pt", ns=(1, 1)),
    "picture written again": lambda root: photo(8, 8).save(root / "file.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_noticed(folder: EmbeddingFolder, root: Path, change: str) -> None:
    put_six(root)
    model = sd1(folder)
    before = model.now()
    before.vectors("cat", 0)
    CHANGES[change](root)
    after = model.now()
    assert after is not before
    stems = {path.stem for path in root.iterdir()}
    assert (after.path("wolf") is not None) == ("wolf" in stems)
    assert (after.path("dog") is not None) == ("dog" in stems)
    assert (after.path("new") is not None) == ("new" in stems)
    rewritten = torch.load(root / "cat.pt")["string_to_param"]["*"]
    assert after.vectors("cat", 0).equal(rewritten)
    assert before.vectors("cat", 0).equal(vectors(3, WIDTH, seed=1)), "what was made with it stays true"


def test_pictures_count_only_with_an_embedding_in_them(files: ModelFolder, root: Path) -> None:
    folder = EmbeddingFolder(files.all)
    put_six(root)
    photo(8, 8).save(root / "holiday.png")
    hidden_in_pixels(b"{").save(root / "broken.png")
    found = folder.paths()
    assert {name: path.name for name, path in found.items()} == {
        "bird": "bird.safetensors",
        "both": "both.safetensors",
        "broken": "broken.png",
        "cat": "cat.pt",
        "dog": "dog.bin",
        "fish": "file.png",
        "horse": "x.webp",
    }
    with pytest.raises(ModelFileError, match="is damaged"):
        folder.read(found["broken"])
    photo(8, 8).save(root / "file.png")
    with pytest.raises(ModelFileError, match=r"“file\.png” is a picture without an embedding"):
        EmbeddingFolder(files.all).read(found["fish"])


def test_damaged_files_are_refused_again_without_being_read_again(
    folder: EmbeddingFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_malicious_ckpt(root / "harm.pt", root / "marker")
    path = folder.paths()["harm"]
    for _ in range(2):
        with pytest.raises(UnsafeFileError):
            folder.read(path)
        monkeypatch.setattr(embedding_folder, "read_embedding", None)


# Bundled ones


def bundled(width: int = WIDTH) -> Embedding:
    return embedding_of({"string_to_param.*": vectors(1, width, seed=8)}, source="lora.safetensors")


def test_bundled_ones_win_over_files(folder: EmbeddingFolder, root: Path) -> None:
    put_six(root)
    model = sd1(folder)
    both = {"cat": bundled(), "extra": bundled()}
    embeddings = model.now(both)
    assert embeddings.vectors("cat", 0).equal(vectors(1, WIDTH, seed=8))
    assert embeddings.vectors("extra", 0).equal(vectors(1, WIDTH, seed=8))
    assert embeddings.vectors("dog", 0).equal(vectors(1, WIDTH, seed=2))
    assert embeddings.path("cat") is None
    assert model.now(dict(both)) is embeddings
    assert model.now(both | {"cat": bundled()}) is not embeddings
    assert model.now().vectors("cat", 0).equal(vectors(3, WIDTH, seed=1))


def test_bundled_ones_that_do_not_fit_are_named_by_their_name(folder: EmbeddingFolder) -> None:
    problem = sd1(folder).now({"extra": bundled(9)}).problem("extra")
    assert problem is not None
    assert problem.startswith("The embedding “extra” is for another kind of model")


# What front ends and infotexts are told


def test_the_list(folder: EmbeddingFolder, root: Path) -> None:
    put_six(root)
    save(root / "wrong.pt", trained(vectors(1, 8), step=1))
    (root / "broken.pt").write_bytes(b"nonsense")
    found = sd1(folder).now({"extra": bundled()}).all()
    assert list(found.loaded) == ["extra", "bird", "cat", "dog", "fish", "horse"]
    assert list(found.skipped) == ["both", "wrong"]
    assert list(found.damaged) == ["broken"]
    cat, both = found.loaded["cat"], found.skipped["both"]
    assert (cat.count, cat.width, cat.step) == (3, WIDTH, 100)
    assert (both.count, both.width, both.step) == (2, 2 * WIDTH, None)
    assert "“broken.pt” is no model" in found.damaged["broken"]


def test_to_list_them_each_file_is_read_once_and_its_vectors_are_not_kept(
    folder: EmbeddingFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_six(root)
    made: list[weakref.ref[torch.Tensor]] = []
    read = embedding_folder.read_embedding

    def remembering(path: Path) -> Embedding:
        embedding = read(path)
        made.append(weakref.ref(next(iter(embedding.parts.values()))))
        return embedding

    monkeypatch.setattr(embedding_folder, "read_embedding", remembering)
    model = sd1(folder)
    model.now().vectors("cat", 0)
    for _ in range(2):
        assert len(model.now().all().loaded) == 5
    assert [tensor() is not None for tensor in made] == [True, False, False, False]
    save(root / "dog.bin", {"<dog>": vectors(5, WIDTH)})
    assert model.now().all().loaded["dog"].count == 5


def test_hashes_in_infotexts() -> None:
    hashes = {"one": "1" * 64, "two: a, b": "2" * 64}
    assert infotext_hashes([], hashes.get) == ""
    assert infotext_hashes([[], ["bundled"]], hashes.get) == ""
    assert infotext_hashes([["one"]], hashes.get) == "one: 111111111111"
    assert infotext_hashes([["one", "bundled"], ["two: a, b", "one"]], hashes.get) == (
        "two a b: 222222222222, one: 111111111111, one: 111111111111"
    )
