import pytest
import torch
from torch import Tensor

from modules.adapters.kinds.loha import Loha
from tests.adapters.kinds.comparing import check, drawn, parts


def _matrices(out: int, into: int, rank: int) -> dict[str, Tensor]:
    return {
        "hada_w1_a": drawn(out, rank, seed=1),
        "hada_w1_b": drawn(rank, into, seed=2),
        "hada_w2_a": drawn(out, rank, seed=3),
        "hada_w2_b": drawn(rank, into, seed=4),
    }


@pytest.mark.parametrize("kernel", [(), (1, 1), (3, 3)])
def test_product_of_two_low_ranks(kernel: tuple[int, ...]) -> None:
    # arXiv:2108.06098, proposition 1: (X1 · Y1ᵀ) ⊙ (X2 · Y2ᵀ)
    weight = drawn(24, 10, *kernel)
    tensors = _matrices(24, weight[0].numel(), 3)

    def difference(_: Tensor) -> Tensor:
        a1, b1, a2, b2 = (tensor.double() for tensor in tensors.values())
        return (1.5 / 3 * (a1 @ b1) * (a2 @ b2)).view(weight.shape)

    check(Loha.read(parts(tensors, alpha=1.5)), weight, difference)


def test_with_cores() -> None:
    tensors = {
        "hada_t1": drawn(3, 3, 3, 3, seed=5),
        "hada_t2": drawn(3, 3, 3, 3, seed=6),
        "hada_w1_a": drawn(3, 24, seed=1),
        "hada_w1_b": drawn(3, 10, seed=2),
        "hada_w2_a": drawn(3, 24, seed=3),
        "hada_w2_b": drawn(3, 10, seed=4),
    }

    def difference(_: Tensor) -> Tensor:
        factors: list[Tensor] = []
        for number in (1, 2):
            core, a, b = (tensors[f"hada_{name.format(number)}"].double() for name in ("t{}", "w{}_a", "w{}_b"))
            factors.append(
                sum(
                    (core[r, s] * a[r].view(-1, 1, 1, 1) * b[s].view(1, -1, 1, 1) for r in range(3) for s in range(3)),
                    torch.zeros(()),
                )
            )
        return 6 / 3 * factors[0] * factors[1]

    check(Loha.read(parts(tensors, alpha=6.0)), drawn(24, 10, 3, 3), difference)


@pytest.mark.parametrize("missing", ["hada_w1_a", "hada_w2_b"])
def test_incomplete(missing: str) -> None:
    tensors = _matrices(24, 10, 3)
    del tensors[missing]
    with pytest.raises(ValueError, match=missing):
        Loha.read(parts(tensors))


def test_factors_that_do_not_fit_together() -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        Loha.read(parts(_matrices(24, 10, 3) | {"hada_w2_b": drawn(4, 10)}))
    with pytest.raises(ValueError, match="different shapes"):
        Loha.read(parts(_matrices(24, 10, 3) | {"hada_w2_b": drawn(3, 11)}))
