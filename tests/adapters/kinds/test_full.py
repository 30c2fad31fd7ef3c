import torch

from modules.adapters.kinds.full import Full
from modules.adapters.kinds.sparse import Sparse
from tests.adapters.kinds.comparing import check, drawn, parts


def test_difference_of_a_weight() -> None:
    difference = drawn(24, 40, 3, 3, seed=1)
    check(Full(difference=difference), drawn(24, 40, 3, 3), lambda _: difference.double())


def test_difference_of_a_bias_or_a_norm() -> None:
    difference = drawn(24, seed=1)
    full = Full(difference=difference, scale=0.5)
    check(full, drawn(24), lambda _: difference.double() / 2)
    assert not full.fits((25,))
    assert not full.fits((24, 2))


def test_sparse_difference() -> None:
    places, values = torch.tensor([[0, 3, 3], [1, 1, 4]], dtype=torch.int16), drawn(3)
    sparse = Sparse.read(
        parts({"bias_indices": places, "bias_values": values, "bias_size": torch.tensor([6, 5], dtype=torch.int16)}),
        2.0,
    )
    expected = torch.zeros(6, 5, dtype=torch.float64)
    for number, (row, column) in enumerate(((0, 1), (3, 1), (3, 4))):
        expected[row, column] = 2 * values[number]
    check(sparse, drawn(6, 5), lambda _: expected)
    assert not sparse.fits((5, 6))
