import pytest
import torch

from modules.adapters.kinds.ia3 import Ia3
from tests.adapters.kinds.comparing import check, drawn, parts


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_factors_of_what_comes_out(kernel: tuple[int, ...]) -> None:
    # arXiv:2205.05638, section 3.3: l ⊙ (W · x); LyCORIS keeps l − 1
    factors = drawn(24) if not kernel else drawn(1, 24, 1, 1)
    ia3 = Ia3.read(parts({"weight": factors, "on_input": torch.tensor(0.0)}))
    check(
        ia3, drawn(24, 40, *kernel), lambda weight: torch.einsum("oi...,o->oi...", weight, factors.flatten().double())
    )


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_factors_of_what_goes_in(kernel: tuple[int, ...]) -> None:
    factors = drawn(40) if not kernel else drawn(1, 40, 1, 1)
    ia3 = Ia3.read(parts({"weight": factors, "on_input": torch.tensor(True)}))
    check(
        ia3, drawn(24, 40, *kernel), lambda weight: torch.einsum("oi...,i->oi...", weight, factors.flatten().double())
    )


def test_only_as_many_channels_as_it_has_factors() -> None:
    ia3 = Ia3.read(parts({"weight": drawn(40), "on_input": torch.tensor(1)}))
    assert ia3.fits((24, 40))
    assert not ia3.fits((40, 24))
    assert not ia3.fits((40,))


def test_incomplete() -> None:
    with pytest.raises(ValueError, match="missing"):
        Ia3.read(parts({"on_input": torch.tensor(1)}))
