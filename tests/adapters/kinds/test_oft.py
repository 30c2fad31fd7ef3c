from functools import partial

import pytest
import torch
from torch import Tensor

from modules.adapters.kinds.oft import Oft
from modules.adapters.kinds.oft_input import OftInput
from tests.adapters.kinds.comparing import check, drawn, parts


def _rotations(blocks: Tensor) -> Tensor:
    """(1 + Q)(1 − Q)⁻¹, arXiv:2306.07280 (the Cayley transform)."""
    antisymmetric = blocks.double() - blocks.double().transpose(-1, -2)
    one = torch.eye(blocks.shape[-1], dtype=torch.float64)
    return (one + antisymmetric) @ torch.inverse(one - antisymmetric)


def _diagonal(blocks: Tensor) -> Tensor:
    """One matrix with the blocks on its diagonal."""
    count, size, _ = blocks.shape
    whole = torch.zeros(count * size, count * size, dtype=blocks.dtype)
    for number, block in enumerate(blocks.unbind()):
        whole[number * size : (number + 1) * size, number * size : (number + 1) * size] = block
    return whole


def _turned_inside(whole: Tensor, weight: Tensor) -> Tensor:
    return (weight.flatten(1) @ whole.T).view(weight.shape) - weight


def _turned(rotations: Tensor, weight: Tensor) -> Tensor:
    """What the whole matrix of blocks makes of the channels that come out, each a row vector."""
    whole = _diagonal(rotations)
    return torch.einsum("nm,n...->m...", whole, weight)


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_blocks(kernel: tuple[int, ...]) -> None:
    blocks = drawn(4, 6, 6, scale=0.3)
    oft = Oft.read(parts({"oft_blocks": blocks}, alpha=0.0))
    check(oft, drawn(24, 10, *kernel), lambda weight: _turned(_rotations(blocks), weight) - weight)


def test_blocks_are_rotations() -> None:
    rotations = _rotations(drawn(4, 6, 6))
    assert torch.allclose(rotations @ rotations.transpose(1, 2), torch.eye(6, dtype=torch.float64).expand(4, 6, 6))


@pytest.mark.parametrize(("alpha", "limited"), [(0.02, True), (5.0, False)])
def test_constraint_limits_the_norm_of_all_blocks(alpha: float, limited: bool) -> None:
    blocks = drawn(4, 6, 6, scale=0.3)
    norm = ((blocks.double() - blocks.double().transpose(1, 2)) ** 2).sum().sqrt().item()
    assert limited == (norm > alpha * 24)
    smaller = blocks.double() * min(1.0, alpha * 24 / norm)
    oft = Oft.read(parts({"oft_blocks": blocks}, alpha=alpha))
    check(oft, drawn(24, 10), lambda weight: _turned(_rotations(smaller), weight) - weight)


def test_rescaled() -> None:
    blocks, rescale = drawn(4, 6, 6, scale=0.3), drawn(24, 1, 1, 1)
    oft = Oft.read(parts({"oft_blocks": blocks, "rescale": rescale}))
    check(oft, drawn(24, 10, 3, 3), lambda weight: rescale.double() * _turned(_rotations(blocks), weight) - weight)


def test_rotations_as_they_are() -> None:
    rotations = _rotations(drawn(4, 6, 6, scale=0.3)).float()
    oft = Oft.read(parts({"oft_diag": rotations}, alpha=1.0))
    check(oft, drawn(24, 10), lambda weight: _turned(rotations.double(), weight) - weight)


def test_butterfly() -> None:
    # arXiv:2311.06243: stage i turns pairs of groups of b/2 channels that are 2^i · b/2 apart.
    stages, size = drawn(3, 4, 4, 4, scale=0.3), 4

    def difference(weight: Tensor) -> Tensor:
        turned = weight
        for number, rotations in enumerate(_rotations(stages)):
            apart = 2**number * size // 2
            # Channels in the order in which blocks take them: those that are `apart` stand next to each other.
            order = [
                group * 2 * apart + half * apart + place
                for group in range(16 // (2 * apart))
                for place in range(apart)
                for half in range(2)
            ]
            permutation = torch.eye(16, dtype=torch.float64)[order]
            turned = permutation.T @ _diagonal(rotations) @ permutation @ turned
        return turned - weight

    check(Oft.read(parts({"oft_blocks": stages})), drawn(16, 10), difference)


@pytest.mark.parametrize("kernel", [(), (3, 3)])
@pytest.mark.parametrize("shared", [False, True])
def test_of_what_goes_in(kernel: tuple[int, ...], shared: bool) -> None:
    weight = drawn(24, 8, *kernel)
    count = weight[0].numel() // 4
    upper = drawn(1 if shared else count, 6, scale=0.1)
    blocks = torch.zeros(len(upper), 4, 4, dtype=torch.float64)
    rows, columns = zip(*[(i, j) for i in range(4) for j in range(i + 1, 4)], strict=True)
    blocks[:, rows, columns] = upper.double()
    antisymmetric = (blocks - blocks.transpose(1, 2)).expand(count, 4, 4)
    one = torch.eye(4, dtype=torch.float64)
    exact = (one - antisymmetric) @ torch.inverse(one + antisymmetric)
    powers = [torch.matrix_power(antisymmetric, n) for n in range(5)]
    series = powers[0] + 2 * (powers[1] + powers[2] + powers[3]) + powers[4]
    for terms, rotations in ((None, exact), (5, series)):
        oft = OftInput(upper=upper, neumann_terms=terms)
        whole = _diagonal(rotations)
        check(oft, weight, partial(_turned_inside, whole))


def test_only_channels_that_the_blocks_have() -> None:
    oft = Oft.read(parts({"oft_blocks": drawn(4, 6, 6)}))
    assert oft.fits((24, 7))
    assert not oft.fits((7, 24))
    oft_input = OftInput.read(parts({"oft_R": drawn(10, 6)}))
    assert oft_input.fits((7, 40))
    assert not oft_input.fits((40, 7))


@pytest.mark.parametrize(
    "tensors",
    [
        {"oft_blocks": drawn(4, 6, 5)},
        {"oft_blocks": drawn(4, 6)},
        {"oft_blocks": drawn(3, 4, 5, 5)},
        {"oft_blocks": drawn(4, 4, 4, 4)},
        {"oft_blocks": drawn(4, 6, 6), "rescale": drawn(25)},
    ],
)
def test_impossible_blocks(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"(has|have) the shape"):
        Oft.read(parts(tensors))
    with pytest.raises(ValueError, match="oft_R"):
        OftInput.read(parts({"oft_R": drawn(4, 7)}))
