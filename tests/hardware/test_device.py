from pathlib import Path

import pytest
import torch

from modules.core.errors import InvalidRequest
from modules.core.flags import Flags
from modules.hardware.device import choose_device

HERE = Path()


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda_devices: int, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda_devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda_devices)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_cuda_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda_devices=2, mps=True)
    assert choose_device(Flags(data_dir=HERE)) == torch.device("cuda", 0)


def test_device_id_chooses_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda_devices=2)
    assert choose_device(Flags(data_dir=HERE, device_id=1)) == torch.device("cuda", 1)


@pytest.mark.parametrize("index", [2, -1])
def test_a_device_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    pretend(monkeypatch, cuda_devices=2)
    with pytest.raises(InvalidRequest, match=f"--device-id {index}: this machine has the CUDA devices 0 to 1"):
        choose_device(Flags(data_dir=HERE, device_id=index))


@pytest.mark.parametrize("part", ["all", "sd", "ALL"])
def test_use_cpu(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    pretend(monkeypatch, cuda_devices=1)
    assert choose_device(Flags(data_dir=HERE, use_cpu=(part,))) == torch.device("cpu")


def test_use_cpu_for_another_part_leaves_the_model_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda_devices=1)
    assert choose_device(Flags(data_dir=HERE, use_cpu=("interrogate",))).type == "cuda"


def test_without_cuda(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    pretend(monkeypatch, cuda_devices=0, mps=True)
    assert choose_device(Flags(data_dir=HERE)).type == "mps"
    pretend(monkeypatch, cuda_devices=0)
    assert choose_device(Flags(data_dir=HERE, device_id=0)).type == "cpu"
    assert "--device-id 0 is ignored" in caplog.text
