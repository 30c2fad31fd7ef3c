import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from modules.core.flags import Flags
from modules.hardware.attention import prepare_attention

HERE = Path()
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Network(nn.Module):
    """Records whether xformers' kernel was switched on."""

    def __init__(self) -> None:
        super().__init__()
        self.switched = False

    def enable_xformers_memory_efficient_attention(self) -> None:
        self.switched = True


def test_pytorch_is_the_default() -> None:
    network = Network()
    assert prepare_attention(network, Flags(data_dir=HERE), CUDA) == "sdpa"
    assert not network.switched


def test_xformers_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xformers", ModuleType("xformers"))
    monkeypatch.setitem(sys.modules, "xformers.ops", ModuleType("xformers.ops"))
    network = Network()
    assert prepare_attention(network, Flags(data_dir=HERE, xformers=True), CUDA) == "xformers"
    assert network.switched


def test_xformers_that_cannot_be_loaded_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "xformers.ops", None)
    network = Network()
    assert prepare_attention(network, Flags(data_dir=HERE, xformers=True), CUDA) == "sdpa"
    assert not network.switched
    assert "SDPA" in caplog.text


def test_xformers_on_a_cpu_is_not_even_loaded(caplog: pytest.LogCaptureFixture) -> None:
    assert prepare_attention(Network(), Flags(data_dir=HERE, xformers=True), CPU) == "sdpa"
    assert "--xformers needs a CUDA device" in caplog.text
