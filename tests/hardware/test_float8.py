from itertools import pairwise

import pytest
import torch
from torch import nn

from modules.hardware.float8 import FLOAT8, exact_parameter, float8_layers, let_layers_be_float8, to_float8


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.Flatten(2), nn.Linear(36, 5, bias=False))


def in_float8(plain: nn.Module) -> nn.Sequential:
    """Return a network of the same weights, those of its layers in 8 bits."""
    with torch.device("meta"):
        made = network()
    let_layers_be_float8(made)
    formats = {name: tensor.dtype for name, tensor in made.state_dict().items()}
    weights = {name: tensor.to(formats[name]) for name, tensor in plain.state_dict().items()}
    made.load_state_dict(weights, assign=True)
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_layers_compute_in_the_format_of_what_they_are_given(dtype: torch.dtype) -> None:
    plain = network()
    made = in_float8(plain)
    assert {name: tensor.dtype for name, tensor in made.state_dict().items()} == {
        "0.weight": FLOAT8,
        "0.bias": FLOAT8,
        "1.weight": torch.float32,
        "1.bias": torch.float32,
        "3.weight": FLOAT8,
    }
    for name in ("0.weight", "0.bias", "3.weight"):
        plain.get_parameter(name).data = plain.get_parameter(name).to(FLOAT8).float()
    x = torch.randn(2, 3, 6, 6).to(dtype)
    made[1].to(dtype)
    assert torch.equal(made(x), plain.to(dtype)(x))


def test_convolutions_see_the_opposite_edge_if_they_are_to() -> None:
    made = in_float8(network())
    convolution = made[0]
    assert isinstance(convolution, nn.Conv2d)
    x = torch.zeros(1, 3, 6, 6)
    x[..., 0] = 1
    without = convolution(x)
    convolution.padding_mode = "circular"
    assert not torch.equal(convolution(x)[..., 5], without[..., 5])


def test_layers_are_found_and_other_networks_have_none() -> None:
    assert list(float8_layers(in_float8(network()))) == ["0", "3"]
    assert not float8_layers(network())


def test_what_is_too_large_becomes_the_largest_number() -> None:
    given = torch.tensor([1e4, -torch.inf, 448.0, 0.1])
    assert torch.equal(to_float8(given).float(), torch.tensor([448.0, -448.0, 448.0, 0.1015625]))
    rough = given.to(torch.float8_e5m2)
    assert torch.equal(to_float8(rough).float(), torch.tensor([448.0, -448.0, 448.0, 0.09375]))
    steps = sorted({float(number) for number in to_float8(torch.linspace(1, 2, 1000))})
    assert {after - before for before, after in pairwise(steps)} == {1 / 8}


def test_originals_are_asked_for_by_name() -> None:
    made = in_float8(network())
    assert exact_parameter(made, "0.weight") is made.get_parameter("0.weight")
    kept = torch.ones(8, 3, 3, 3, dtype=torch.float16)
    float8_layers(made)["0"].originals["weight"] = kept
    assert exact_parameter(made, "0.weight") is kept
    assert exact_parameter(made, "0.bias") is made.get_parameter("0.bias")
    assert exact_parameter(made, "1.weight") is made.get_parameter("1.weight")
