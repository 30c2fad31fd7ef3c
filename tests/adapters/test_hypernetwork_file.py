import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from modules.adapters.hypernetwork_file import ACTIVATIONS, read_hypernetwork
from modules.core.errors import ModelFileError, UnsafeFileError
from tests.adapters.hypernetwork_writers import network, write_hypernetwork
from tests.checkpoint_variants import truncate, write_malicious_ckpt

X = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))

A1111_NAMES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "swish": nn.Hardswish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "celu": nn.CELU,
    "gelu": nn.GELU,
    "hardshrink": nn.Hardshrink,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "hardtanh": nn.Hardtanh,
    "logsigmoid": nn.LogSigmoid,
    "logsoftmax": nn.LogSoftmax,
    "mish": nn.Mish,
    "prelu": nn.PReLU,
    "relu6": nn.ReLU6,
    "rrelu": nn.RReLU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "softmax": nn.Softmax,
    "softmax2d": nn.Softmax2d,
    "softmin": nn.Softmin,
    "softplus": nn.Softplus,
    "softshrink": nn.Softshrink,
    "softsign": nn.Softsign,
    "tanhshrink": nn.Tanhshrink,
}


def check(path: Path, keys: nn.Module, values: nn.Module) -> None:
    pair = read_hypernetwork(path).pairs[8]
    with warnings.catch_warnings(action="ignore"):  # of softmax without a dimension
        assert pair.keys(X).equal(keys(X))
        assert pair.values(X).equal(values(X))
    assert not pair.keys(X).equal(pair.values(X))


def test_all_activations_are_known() -> None:
    assert ACTIVATIONS.keys() == A1111_NAMES.keys()


@pytest.mark.parametrize("name", A1111_NAMES)
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
@pytest.mark.parametrize("last", [False, True], ids=["", "output"])
def test_networks_are_those_that_were_written(tmp_path: Path, name: str, norm: bool, last: bool) -> None:
    keys, values = (network(8, [1, 2, 1.5, 1], A1111_NAMES[name], norm=norm, activate_output=last) for _ in range(2))
    said = {"layer_structure": [1, 2, 1.5, 1], "activation_func": name, "is_layer_norm": norm, "activate_output": last}
    check(write_hypernetwork(tmp_path / "x.pt", {8: (keys, values)}, said), keys, values)


@pytest.mark.parametrize("said", [{"activation_func": "linear"}, {"activation_func": None}, {}])
def test_without_activation(tmp_path: Path, said: dict[str, Any]) -> None:
    keys, values = network(8, [1, 2, 1], None), network(8, [1, 2, 1], None)
    check(write_hypernetwork(tmp_path / "x.pt", {8: (keys, values)}, said), keys, values)


def test_dropout_only_counts_in_the_numbers_of_layers(tmp_path: Path) -> None:
    dropout = [0, 0.3, 0.3, 0]
    keys, values = (network(8, [1, 2, 2, 1], nn.ReLU, norm=True, dropout=dropout) for _ in range(2))
    said = {"activation_func": "relu", "is_layer_norm": True, "activate_output": False, "dropout_structure": dropout}
    check(write_hypernetwork(tmp_path / "x.pt", {8: (keys, values)}, said), keys, values)


def test_files_that_do_not_say_whether_the_output_is_activated_mean_that_it_is(tmp_path: Path) -> None:
    keys, values = (network(8, [1, 2, 1], nn.ReLU, activate_output=True) for _ in range(2))
    check(write_hypernetwork(tmp_path / "x.pt", {8: (keys, values)}, {"activation_func": "relu"}), keys, values)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_the_first_hypernetworks(tmp_path: Path, legacy: bool) -> None:
    keys, values = network(8, [1, 2, 1], None), network(8, [1, 2, 1], None)

    def old(net: nn.Sequential) -> dict[str, torch.Tensor]:
        names = {"0": "linear1", "1": "linear2"}
        return {f"{names[name[0]]}{name[1:]}": tensor for name, tensor in net.state_dict().items()}

    torch.save({8: (old(keys), old(values))}, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
    check(tmp_path / "x.pt", keys, values)


def test_all_widths_are_read_and_other_tensors_are_not(tmp_path: Path) -> None:
    nets = {width: (network(width, [1, 2, 1], None), network(width, [1, 2, 1], None)) for width in (8, 16)}
    said = {"optimizer_state_dict": {"state": {0: {"exp_avg": torch.zeros(3)}}}}
    found = read_hypernetwork(write_hypernetwork(tmp_path / "x.pt", nets, said))
    assert found.file == "x.pt"
    assert list(found.pairs) == [8, 16]


def test_half_precision_is_widened(tmp_path: Path) -> None:
    keys, values = network(8, [1, 2, 1], None).half(), network(8, [1, 2, 1], None).half()
    path = write_hypernetwork(tmp_path / "x.pt", {8: (keys, values)}, {})
    check(path, keys.float(), values.float())


# What is refused


def first(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The tensors of a network, changed."""
    state: dict[str, torch.Tensor | None] = {
        "linear.0.weight": torch.zeros(16, 8),
        "linear.0.bias": torch.zeros(16),
        "linear.1.weight": torch.zeros(8, 16),
        "linear.1.bias": torch.zeros(8),
    }
    state |= {name.replace("_", "."): tensor for name, tensor in changes.items()}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"x": torch.zeros(3)}, "cannot be used as a hypernetwork: it holds no layers"),
        ({"lora_unet_mid.lora_up.weight": torch.zeros(3)}, "is a LoRA, not a hypernetwork"),
        ({8: (first(),)}, "its network for vectors of 8 numbers makes none of 8"),
        ({9: (first(), first())}, "do not fit each other"),
        ({8: (first(linear_0_bias=None), first())}, "do not fit each other"),
        ({8: (first(linear_0_bias=torch.zeros(15)), first())}, "do not fit each other"),
        ({8: (first(linear_1_weight=torch.zeros(8, 15)), first())}, "do not fit each other"),
        ({8: (first(linear_1_weight=torch.zeros(8)), first())}, "do not fit each other"),
        ({8: (first(linear_1_weight=torch.zeros(2, 2, 2)), first())}, "do not fit each other"),
        ({8: (first(linear_1_weight=torch.zeros(9, 16), linear_1_bias=torch.zeros(9)), first())}, "makes none of 8"),
        ({8: (first(linear_1_weight=None), first())}, "do not fit each other"),
        ({8: (first(), first()), "activation_func": "multiheadattention"}, "'multiheadattention' is not known"),
        ({8: (first(), first()), "activation_func": 5}, "its activation 5 is not known"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: dict[Any, Any], fault: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ModelFileError, match=fault) as caught:
        read_hypernetwork(tmp_path / "x.pt")
    assert "“x.pt”" in str(caught.value)


def test_harmful_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError):
        read_hypernetwork(write_malicious_ckpt(tmp_path / "harm.pt", tmp_path / "marker"))
    assert not (tmp_path / "marker").exists()
    nets = {8: (network(8, [1, 2, 1], None), network(8, [1, 2, 1], None))}
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        read_hypernetwork(truncate(write_hypernetwork(tmp_path / "half.pt", nets, {}), keep=0.5))
