import struct
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from modules.core.errors import ModelFileError, UnsafeFileError
from modules.loading.mapped import MappedFile
from modules.loading.torch_file import looks_like_torch, read_torch
from tests.checkpoint_variants import truncate, write_malicious_ckpt

both_formats = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


def save(path: Path, content: object, *, legacy: bool) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def read(path: Path) -> dict[str, Tensor]:
    return {name: stored.open() for name, stored in read_torch(MappedFile(path)).items()}


def tensors() -> dict[str, Tensor]:
    base = torch.arange(24, dtype=torch.float32)
    return {
        "whole": base,
        "shared": base.view(2, 3, 4),
        "part": base[5:9],
        "turned": base.view(4, 6).t(),
        "strided": base[::3],
        "half": base.half(),
        "bfloat16": base.bfloat16().view(4, 6),
        "double": base.double(),
        "long": base.long(),
        "bool": base > 3,
        "scalar": torch.tensor(7.0),
        "empty": torch.empty(0, 3),
        "parameter": nn.Parameter(base.view(6, 4) * 2),
    }


@both_formats
def test_tensors_are_those_that_were_saved(tmp_path: Path, legacy: bool) -> None:
    found = read(save(tmp_path / "x.ckpt", tensors(), legacy=legacy))
    expected = tensors()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].stride() == tensor.stride()
        assert torch.equal(found[name], tensor), name


@both_formats
def test_nested_content(tmp_path: Path, legacy: bool) -> None:
    content: dict[object, object] = {"a": [{"b": torch.ones(2)}, 3], 5: (torch.zeros(1), "text"), "none": None}
    content["itself"] = content
    assert read(save(tmp_path / "x.pt", content, legacy=legacy)).keys() == {"a.0.b", "5.0"}


@both_formats
@pytest.mark.parametrize("protocol", [2, 4])
def test_holders_of_parameters(tmp_path: Path, legacy: bool, protocol: int) -> None:
    first, second = nn.Parameter(torch.ones(2, 4)), nn.Parameter(torch.zeros(3))
    content = {"a": nn.ParameterDict({"*": first}), "b": [nn.ParameterList([first, second])], "c": nn.ParameterDict()}
    path = tmp_path / "x.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    found = read(path)
    assert found.keys() == {"a.*", "b.0.0", "b.0.1"}
    assert torch.equal(found["a.*"], torch.ones(2, 4))
    assert torch.equal(found["b.0.1"], torch.zeros(3))


@both_formats
def test_modules_of_other_kinds_are_refused(tmp_path: Path, legacy: bool) -> None:
    with pytest.raises(UnsafeFileError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read(save(tmp_path / "x.pt", {"a": nn.Linear(2, 2)}, legacy=legacy))


@both_formats
def test_a_training_checkpoint_is_its_state_dict(tmp_path: Path, legacy: bool) -> None:
    optimizer = {"state": {0: {"exp_avg": torch.ones(3)}}}
    content = {"state_dict": {"w": torch.ones(2)}, "optimizer_states": [optimizer], "epoch": 1}
    assert read(save(tmp_path / "x.ckpt", content, legacy=legacy)).keys() == {"w"}


def test_nothing_is_copied_and_the_file_is_never_written(tmp_path: Path) -> None:
    path = save(tmp_path / "x.ckpt", {"w": torch.ones(1000)}, legacy=False)
    before = path.read_bytes()
    file = MappedFile(path)
    first, second = (read_torch(file)["w"].open() for _ in range(2))
    first.zero_()
    assert second.sum() == 0, "both look at the same memory"
    assert path.read_bytes() == before


def test_a_repacked_archive_with_data_at_odd_offsets(tmp_path: Path) -> None:
    path = save(tmp_path / "x.ckpt", tensors(), legacy=False)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "y.ckpt", "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(f"odd/{name.split('/', 1)[1]}"), old.read(name))
    for name, tensor in read(tmp_path / "y.ckpt").items():
        assert torch.equal(tensor, tensors()[name]), name


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.ckpt", {"w": torch.ones(1000)}, legacy=False)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "y.ckpt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ModelFileError, match=r"“y\.ckpt” is a compressed or encrypted archive"):
        read(tmp_path / "y.ckpt")


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.ckpt", {"w": torch.ones(1000)}, legacy=False)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\1\2", 0, data.index(b"data/0", data.index(b"PK\1\2")))
    data[entry + 8] |= 1  # the flag "encrypted" in the archive's table
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="compressed or encrypted"):
        read(path)


def test_damaged_names_in_an_archive(tmp_path: Path) -> None:
    path = save(tmp_path / "x.ckpt", {"w": torch.ones(1000)}, legacy=False)
    path.write_bytes(path.read_bytes().replace(b"x/data.pkl", b"x/d\xd0ta.pkl"))
    with pytest.raises(ModelFileError, match=r"“x\.ckpt” is truncated or damaged"):
        read(path)


def test_another_zip_archive_is_no_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.ckpt", "w") as archive:
        archive.writestr("photo.png", b"x")
    with pytest.raises(ModelFileError, match=r"“x\.ckpt” is a zip archive, not a model"):
        read(tmp_path / "x.ckpt")


def test_a_program_is_no_model(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.ckpt", "w") as archive:
        archive.writestr("x/data.pkl", b"N.")
        archive.writestr("x/constants.pkl", b"N.")
    with pytest.raises(ModelFileError, match="TorchScript program"):
        read(tmp_path / "x.ckpt")


def test_a_big_endian_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.ckpt", "w") as archive:
        archive.writestr("x/data.pkl", b"N.")
        archive.writestr("x/byteorder", b"big")
    with pytest.raises(ModelFileError, match="big-endian"):
        read(tmp_path / "x.ckpt")


@both_formats
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_file(tmp_path: Path, legacy: bool, keep: float) -> None:
    path = save(tmp_path / "x.ckpt", {str(i): torch.ones(1000) for i in range(20)}, legacy=legacy)
    with pytest.raises(ModelFileError, match=r"“x\.ckpt” is (damaged|truncated)"):
        read(truncate(path, keep=keep))


@both_formats
def test_code_in_a_checkpoint_is_refused_and_does_not_run(tmp_path: Path, legacy: bool) -> None:
    marker = tmp_path / "marker"
    path = write_malicious_ckpt(tmp_path / "evil.ckpt", marker, legacy=legacy)
    with pytest.raises(UnsafeFileError, match=r"“evil\.ckpt” was refused.*builtin.*\.exec"):
        read(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists(), "the file of this test is not dangerous at all"


@pytest.mark.parametrize("position", range(3))
def test_code_in_the_other_pickles_of_the_legacy_format(tmp_path: Path, position: int) -> None:
    pickles = [b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"\x80\2M\xe9\3.", b"\x80\2}X\r\0\0\0little_endian\x88s."]
    pickles[position] = b"\x80\2cos\nsystem\n(X\1\0\0\0xtR."
    (tmp_path / "x.ckpt").write_bytes(b"".join(pickles) + b"\x80\2}.\x80\2].")
    with pytest.raises(UnsafeFileError, match=r"os\.system"):
        read(tmp_path / "x.ckpt")


def legacy_file_with_view(path: Path, offset: int, size: int) -> Path:
    """Four numbers, and a tensor of 2 that looks at a part of them, as PyTorch before 0.4 wrote it."""
    storage = b"(Vstorage\nctorch\nFloatStorage\nVroot\nVcpu\nI4\n(Vview\nI%d\nI%d\nttQ" % (offset, size)
    tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"I0\n(I2\nt(I1\nttR"
    start = b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}X\r\0\0\0little_endian\x88s."
    numbers = struct.pack("<q4f", 4, 1, 2, 3, 4)
    path.write_bytes(start + b"\x80\2}Vw\n" + tensor + b"s.\x80\2]Vroot\na." + numbers)
    return path


def test_bare_pickles_of_old_protocols_are_known() -> None:
    assert looks_like_torch(b"\x80\2}")
    assert looks_like_torch(b"cposix\nsystem\np0\n(Vecho\n")
    assert looks_like_torch(b"(dp0\nVa\n")
    assert looks_like_torch(b"}q\0(X")
    assert not looks_like_torch(b"")
    assert not looks_like_torch(b"\x80\1")
    assert not looks_like_torch(b"a text of\nsome lines\n")
    assert not looks_like_torch(b"(dp: a text)")


def test_a_view_of_a_storage_in_the_legacy_format(tmp_path: Path) -> None:
    found = read(legacy_file_with_view(tmp_path / "x.ckpt", offset=1, size=3))
    assert torch.equal(found["w"], torch.tensor([2.0, 3.0]))


@pytest.mark.parametrize(("offset", "size"), [(3, 2), (0, 1), (4, 2)])
def test_a_view_must_lie_within_its_storage(tmp_path: Path, offset: int, size: int) -> None:
    with pytest.raises(ModelFileError, match="its tensor w is not complete"):
        read(legacy_file_with_view(tmp_path / "x.ckpt", offset=offset, size=size))


def test_another_pickle_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_bytes(b"\x80\2K\1.\x80\2K\2.")
    with pytest.raises(ModelFileError, match="not one of PyTorch"):
        read(tmp_path / "x.ckpt")


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [(0, (5,), (1,)), (1, (4,), (1,)), (0, (2, 2), (3, 1)), (0, (100,), (0,)), (0, (2,), (1, 1)), (2**40, (1,), (1,))],
)
def test_tensors_must_lie_within_their_storage(
    tmp_path: Path, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    def counts(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"I%d\n" % value for value in values) + b"t"

    pickle = (
        b"\x80\2}Vw\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQ"
        + b"I%d\n" % offset
        + counts(shape)
        + counts(stride)
        + b"I00\nNtRs."
    )
    with zipfile.ZipFile(tmp_path / "x.ckpt", "w") as archive:
        archive.writestr("x/data.pkl", pickle)
        archive.writestr("x/data/0", struct.pack("<4f", 1, 2, 3, 4))
    with pytest.raises(ModelFileError, match="its tensor w is not complete"):
        read(tmp_path / "x.ckpt")


def test_a_storage_that_claims_more_than_its_entry(tmp_path: Path) -> None:
    path = save(tmp_path / "x.ckpt", {"w": torch.ones(100)}, legacy=False)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "y.ckpt", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name)[:40] if name.endswith("data/0") else old.read(name))
    with pytest.raises(ModelFileError, match="its tensor w is not complete"):
        read(tmp_path / "y.ckpt")


def test_a_storage_that_is_not_there(tmp_path: Path) -> None:
    path = save(tmp_path / "x.ckpt", {"w": torch.ones(100)}, legacy=False)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "y.ckpt", "w") as new:
        for name in old.namelist():
            if not name.endswith("data/0"):
                new.writestr(name, old.read(name))
    with pytest.raises(ModelFileError, match="its block 0 of numbers is missing"):
        read(tmp_path / "y.ckpt")
