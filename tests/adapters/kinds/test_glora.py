import pytest
import torch
from torch import Tensor

from modules.adapters.kinds.glora import Glora
from tests.adapters.kinds.comparing import check, drawn, parts

# W · A + B, arXiv:2306.07967
A_LEFT, A_RIGHT = drawn(40, 4, seed=1), drawn(4, 40, seed=2)
B_LEFT, B_RIGHT = drawn(24, 4, seed=3), drawn(4, 40, seed=4)
OLD = {"a1": A_RIGHT, "a2": A_LEFT, "b1": B_RIGHT, "b2": B_LEFT}
NEW = {"a1": A_LEFT, "a2": A_RIGHT, "b1": B_LEFT, "b2": B_RIGHT}


@pytest.mark.parametrize("tensors", [OLD, NEW])
def test_linear_layer(tensors: dict[str, Tensor]) -> None:
    def difference(weight: Tensor) -> Tensor:
        return 2 / 4 * (weight @ A_LEFT.double() @ A_RIGHT.double() + B_LEFT.double() @ B_RIGHT.double())

    check(Glora.read(parts(tensors, alpha=2.0)), drawn(24, 40), difference)


@pytest.mark.parametrize("new", [False, True])
def test_square_layer(new: bool) -> None:
    left, right = drawn(40, 4, seed=5), drawn(4, 40, seed=6)
    tensors = {"a1": left, "a2": right, "b1": left, "b2": right}
    if not new:
        tensors = {"a1": right, "a2": left, "b1": right, "b2": left}
    product = left.double() @ right.double()
    check(Glora.read(parts(tensors)), drawn(40, 40), lambda weight: weight @ product + product)


def test_convolution() -> None:
    pointwise = {name: tensor.view(*tensor.shape, 1, 1) for name, tensor in NEW.items()}
    right = drawn(4, 40, 3, 3)

    def difference(weight: Tensor) -> Tensor:
        inner = torch.einsum("oikl,ir,rj->ojkl", weight, A_LEFT.double(), A_RIGHT.double())
        return inner + torch.einsum("or,rikl->oikl", B_LEFT.double(), right.double())

    check(Glora.read(parts(pointwise | {"b2": right}, alpha=4.0)), drawn(24, 40, 3, 3), difference)


def test_incomplete() -> None:
    with pytest.raises(ValueError, match="b2 is missing"):
        Glora.read(parts({name: tensor for name, tensor in NEW.items() if name != "b2"}))
    with pytest.raises(ValueError, match="do not fit together"):
        Glora.read(parts(NEW | {"b2": drawn(5, 40)}))
