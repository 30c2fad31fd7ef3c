import torch
from torch import nn

from modules.families.skeleton import skeleton


def test_parameters_have_shapes_and_no_memory() -> None:
    with skeleton():
        module = nn.Linear(3, 5)
    assert module.weight.shape == (5, 3)
    assert module.weight.is_meta
    assert nn.Linear(2, 2).weight.device.type == "cpu"


def test_nothing_is_filled() -> None:
    real = torch.full((3, 3), 7.0)
    with skeleton():
        nn.init.kaiming_uniform_(real)
    assert torch.equal(real, torch.full((3, 3), 7.0))
