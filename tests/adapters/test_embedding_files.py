from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor, nn

from modules.adapters.embedding_files import Embedding, embedding_of, read_embedding
from modules.core.errors import ModelFileError, UnsafeFileError
from tests.adapters.embedding_writers import save, trained, vectors
from tests.checkpoint_variants import truncate, write_malicious_ckpt


def read(path: Path) -> Embedding:
    return read_embedding(path)


def check_only(found: Embedding, expected: Tensor) -> None:
    assert found.parts.keys() == {""}
    assert found.parts[""].equal(expected)
    assert (found.facts.count, found.facts.width) == tuple(expected.shape)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_as_a1111_writes_it(tmp_path: Path, legacy: bool) -> None:
    given = vectors(3)
    found = read(save(tmp_path / "x.pt", trained(given, step=500), legacy=legacy))
    check_only(found, given)
    assert (found.facts.step, found.facts.sd_checkpoint, found.facts.sd_checkpoint_name) == (500, "7460a6fa", "model")


def test_as_the_authors_of_the_method_write_it(tmp_path: Path) -> None:
    given = vectors(2)
    content = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": {"*": nn.Parameter(given)}}
    check_only(read(save(tmp_path / "x.pt", content)), given)


def test_as_diffusers_writes_it(tmp_path: Path) -> None:
    found = read(save(tmp_path / "learned_embeds.bin", {"<cat-toy>": vectors(1)[0]}))
    check_only(found, vectors(1))
    assert (found.facts.step, found.facts.sd_checkpoint, found.facts.sd_checkpoint_name) == (None, None, None)
    check_only(read(save(tmp_path / "more.bin", {"<cat-toy>": vectors(4)})), vectors(4))


def test_as_kohya_writes_it(tmp_path: Path) -> None:
    save_file({"emb_params": vectors(2)}, tmp_path / "x.safetensors", metadata={"ss_steps": "5"})
    check_only(read(tmp_path / "x.safetensors"), vectors(2))


def test_for_two_text_encoders(tmp_path: Path) -> None:
    save_file({"clip_l": vectors(2, 24), "clip_g": vectors(2, 40)}, tmp_path / "x.safetensors")
    found = read(tmp_path / "x.safetensors")
    assert {part: tuple(given.shape) for part, given in found.parts.items()} == {"clip_l": (2, 24), "clip_g": (2, 40)}
    assert found.parts["clip_g"].equal(vectors(2, 40))
    assert (found.facts.count, found.facts.widths) == (2, {"clip_l": 24, "clip_g": 40})
    assert found.facts.width == 64


def test_of_the_tensors_of_an_adapter() -> None:
    check_only(embedding_of({"string_to_param.*": vectors(2).half()}, source="x"), vectors(2).half().float())


def test_numbers_are_copied_in_full_precision(tmp_path: Path) -> None:
    save_file({"emb_params": vectors(2).bfloat16()}, tmp_path / "x.safetensors")
    found = read(tmp_path / "x.safetensors")
    save_file({"emb_params": vectors(2, seed=1).bfloat16()}, tmp_path / "x.safetensors")
    check_only(found, vectors(2).bfloat16().float())


@pytest.mark.parametrize(
    ("tensors", "fault"),
    [
        ({}, "holds no vectors"),
        ({"one": vectors(1), "two": vectors(1)}, r"holds 2 tensors \(one, two\)"),
        ({"a": vectors(1), "b": vectors(1), "c": vectors(1)}, r"holds 3 tensors \(a, b, …\)"),
        ({"a.lora_up.weight": vectors(1), "b": vectors(1)}, "is a LoRA, not an embedding"),
        ({"string_to_param.*": vectors(1), "string_to_param.+": vectors(1)}, "holds 2 tensors"),
        ({"x": torch.zeros(2, 3, 4)}, "its tensor of 2×3×4"),
        ({"x": torch.tensor(1.0)}, "its tensor of one"),
        ({"x": torch.zeros(0, 4)}, "its tensor of 0×4"),
        ({"x": torch.zeros(4, dtype=torch.int64)}, "int64"),
        ({"x": torch.zeros(1).expand(5000, 1000)}, "its tensor of 5000×1000"),
        ({"clip_l": vectors(1), "clip_g": vectors(2)}, "different number of vectors for each text encoder"),
    ],
)
def test_other_tensors_are_refused(tensors: dict[str, Tensor], fault: str) -> None:
    with pytest.raises(ModelFileError, match=fault) as caught:
        embedding_of(tensors, source="x.pt")
    assert "“x.pt”" in str(caught.value)


def test_harmful_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match="was refused"):
        read(write_malicious_ckpt(tmp_path / "harm.pt", tmp_path / "marker"))
    assert not (tmp_path / "marker").exists()
    with pytest.raises(ModelFileError, match=r"“half\.pt” is truncated or damaged"):
        read(truncate(save(tmp_path / "half.pt", trained(vectors(9))), keep=0.5))
    with pytest.raises(ModelFileError, match="no longer in"):
        read(tmp_path / "gone.pt")


def test_values_of_a_wrong_kind_are_not_believed(tmp_path: Path) -> None:
    found = read(save(tmp_path / "x.pt", trained(vectors(1)) | {"step": "many", "sd_checkpoint": 5}))
    assert (found.facts.step, found.facts.sd_checkpoint, found.facts.sd_checkpoint_name) == (None, None, "model")
