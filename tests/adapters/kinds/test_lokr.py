import numpy as np
import pytest
import torch
from torch import Tensor

from modules.adapters.kinds.lokr import Lokr
from tests.adapters.kinds.comparing import check, drawn, parts


def _kron(first: Tensor, second: Tensor) -> Tensor:
    """The Kronecker product of numpy, for every place of a kernel by itself."""
    second = second.view(*second.shape[:2], -1).double()
    return torch.stack(
        [torch.as_tensor(np.kron(first.double().numpy(), second[..., k].numpy())) for k in range(second.shape[2])], -1
    )


def test_whole_factors_are_not_scaled() -> None:
    # arXiv:2212.10650: A ⊗ B
    first, second = drawn(4, 5), drawn(6, 8)
    lokr = Lokr.read(parts({"lokr_w1": first, "lokr_w2": second}, alpha=1e10))
    check(lokr, drawn(24, 40), lambda _: _kron(first, second).view(24, 40))


def test_second_factor_of_low_rank() -> None:
    first, a, b = drawn(4, 5), drawn(6, 2), drawn(2, 8)
    lokr = Lokr.read(parts({"lokr_w1": first, "lokr_w2_a": a, "lokr_w2_b": b}, alpha=1.0))
    check(lokr, drawn(24, 40), lambda _: 1 / 2 * _kron(first, a.double() @ b.double()).view(24, 40))


def test_both_factors_of_low_rank() -> None:
    tensors = {
        "lokr_w1_a": drawn(4, 2),
        "lokr_w1_b": drawn(2, 5),
        "lokr_w2_a": drawn(6, 2),
        "lokr_w2_b": drawn(2, 8),
    }
    w1_a, w1_b, w2_a, w2_b = (tensor.double() for tensor in tensors.values())
    lokr = Lokr.read(parts(tensors, alpha=3.0))
    check(lokr, drawn(24, 40), lambda _: 3 / 2 * _kron(w1_a @ w1_b, w2_a @ w2_b).view(24, 40))


def test_convolution_with_a_whole_factor() -> None:
    first, second = drawn(4, 5), drawn(6, 8, 3, 3)
    lokr = Lokr.read(parts({"lokr_w1": first, "lokr_w2": second}))
    check(lokr, drawn(24, 40, 3, 3), lambda _: _kron(first, second).view(24, 40, 3, 3))


def test_convolution_with_a_factor_of_low_rank() -> None:
    first, a, b = drawn(4, 5), drawn(6, 2), drawn(2, 8 * 9)
    lokr = Lokr.read(parts({"lokr_w1": first, "lokr_w2_a": a, "lokr_w2_b": b}, alpha=2.0))
    second = (a.double() @ b.double()).view(6, 8, 3, 3)
    check(lokr, drawn(24, 40, 3, 3), lambda _: _kron(first, second).view(24, 40, 3, 3))


def test_convolution_with_a_core() -> None:
    first, core, a, b = drawn(4, 5), drawn(2, 2, 3, 3), drawn(2, 6), drawn(2, 8)
    lokr = Lokr.read(parts({"lokr_w1": first, "lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b}, alpha=1.0))
    second = torch.einsum("rskl,rb,sd->bdkl", core.double(), a.double(), b.double())
    check(lokr, drawn(24, 40, 3, 3), lambda _: 1 / 2 * _kron(first, second).view(24, 40, 3, 3))


def test_other_shapes_do_not_fit() -> None:
    lokr = Lokr.read(parts({"lokr_w1": drawn(4, 5), "lokr_w2": drawn(6, 8)}))
    assert not any(lokr.fits(shape) for shape in ((24, 41), (25, 40), (40, 24)))
    assert lokr.made_for() == "[24, 40]"


def test_incomplete() -> None:
    with pytest.raises(ValueError, match="lokr_w2_a is missing"):
        Lokr.read(parts({"lokr_w1": drawn(4, 5)}))
