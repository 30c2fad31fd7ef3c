from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import nn

from modules.core.cancellation import CancelToken
from modules.loading.mapped import MappedFile, StoredTensor
from modules.loading.place import Placement, fill
from modules.loading.safetensors_file import read_safetensors

CPU = torch.device("cpu")
HALF, BFLOAT, FULL = torch.float16, torch.bfloat16, torch.float32


class Small(nn.Module):
    """A convolution, a linear layer, a buffer that no file holds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3)
        self.linear = nn.Linear(300, 200)
        self.positions = nn.Buffer(torch.arange(5), persistent=False)


@pytest.fixture
def source(tmp_path: Path) -> Small:
    module = Small()
    save_file({name: tensor.half() for name, tensor in module.state_dict().items()}, tmp_path / "x.safetensors")
    return module.half()


def placed(
    folder: Path, dtype: torch.dtype, layout: torch.memory_format = torch.contiguous_format
) -> tuple[Small, Placement]:
    with torch.device("meta"):
        module = Small()
    module.positions = nn.Buffer(torch.arange(5), persistent=False)
    tensors = read_safetensors(MappedFile(folder / "x.safetensors"))
    return module, Placement(module=module, tensors=tensors, device=CPU, dtype=dtype, layout=layout)


def ignore(_fraction: float) -> None:
    pass


@pytest.mark.parametrize("dtype", [HALF, BFLOAT, FULL])
def test_weights_are_those_of_the_file(tmp_path: Path, source: Small, dtype: torch.dtype) -> None:
    module, placement = placed(tmp_path, dtype)
    fill([placement], on_progress=ignore)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, source.state_dict()[name].to(dtype)), name
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert torch.equal(module.positions, torch.arange(5))


def test_the_files_own_format_is_not_copied(tmp_path: Path, source: Small) -> None:
    del source
    (first, one), (second, two) = placed(tmp_path, HALF), placed(tmp_path, HALF)
    fill(
        [one, Placement(module=two.module, tensors=one.tensors, device=CPU, dtype=HALF, layout=two.layout)],
        on_progress=ignore,
    )
    first.linear.weight.zero_()
    assert second.linear.weight.abs().sum() == 0, "both look at the same mapped file"


def test_channels_last_is_for_convolutions(tmp_path: Path, source: Small) -> None:
    module, placement = placed(tmp_path, BFLOAT, torch.channels_last)
    fill([placement], on_progress=ignore)
    assert module.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert module.linear.weight.is_contiguous()
    assert torch.equal(module.conv.weight, source.conv.weight.bfloat16())


def test_weights_at_an_odd_address_are_moved(tmp_path: Path) -> None:
    (tmp_path / "numbers").write_bytes(b"x" + torch.arange(3, dtype=torch.int16).numpy().tobytes())
    stored = StoredTensor(file=MappedFile(tmp_path / "numbers"), start=1, dtype=HALF, shape=(3,))
    assert stored.open().data_ptr() % 2 == 1
    with torch.device("meta"):
        module = nn.LayerNorm(3, bias=False)
    placement = Placement(
        module=module, tensors={"weight": stored}, device=CPU, dtype=HALF, layout=torch.contiguous_format
    )
    fill([placement], on_progress=ignore)
    assert module.weight.data_ptr() % 2 == 0
    assert torch.equal(module.weight, stored.open())


@pytest.mark.parametrize(("dtype", "share"), [(FULL, 1.0), (HALF, 0.0)])
def test_what_has_been_copied_is_let_go(
    tmp_path: Path, source: Small, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, share: float
) -> None:
    released: list[int] = []

    def record(_file: MappedFile, start: int, end: int) -> None:
        released.append(end - start)

    monkeypatch.setattr(MappedFile, "release", record)
    fill([placed(tmp_path, dtype)[1]], on_progress=ignore)
    assert sum(released) == share * sum(tensor.nbytes for tensor in source.state_dict().values())


def test_released_pages_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(bytes(range(256)) * 1000)
    file = MappedFile(path)
    stored = StoredTensor(file=file, start=5, dtype=torch.uint8, shape=(255_000,))
    before = stored.open().clone()
    stored.release()
    assert torch.equal(stored.open(), before)


def test_progress_ends_at_one(tmp_path: Path, source: Small) -> None:
    del source
    seen: list[float] = []
    fill([placed(tmp_path, FULL)[1]], on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_skipping_a_batch_does_not_stop_it(tmp_path: Path, source: Small) -> None:
    del source
    token = CancelToken()
    token.skip()
    fill([placed(tmp_path, FULL)[1]], on_progress=ignore, token=token)
    assert token.skipped
