import pytest
import torch
from torch import Tensor

from modules.adapters.kinds.base import Use
from modules.adapters.kinds.dora import Dora
from modules.adapters.kinds.full import Full
from modules.adapters.kinds.lora import Lora
from modules.adapters.weights import changed
from tests.adapters.kinds.comparing import check, drawn, parts

LORA = Lora.read(parts({"lora_up": drawn(24, 4), "lora_down": drawn(4, 40)}, alpha=2.0))
DELTA = 2 / 4 * drawn(24, 4).double() @ drawn(4, 40).double()


@pytest.mark.parametrize(("shape", "dim"), [((24,), 1), ((24, 1), 1), ((1, 40), 0)])
def test_magnitudes_of_what_comes_out_or_goes_in(shape: tuple[int, ...], dim: int) -> None:
    # arXiv:2402.09353, equation 5: m · (W0 + B · A) / ‖W0 + B · A‖
    magnitudes = drawn(*shape).abs()

    def difference(weight: Tensor) -> Tensor:
        merged = weight + DELTA
        column = magnitudes.double() if dim == 0 else magnitudes.double().view(24, 1)
        return column * merged / (merged**2).sum(dim, keepdim=True).sqrt() - weight

    check(Dora.around(LORA, magnitudes, (24, 40), peft=False), drawn(24, 40), difference)


@pytest.mark.parametrize("on_input", [False, True])
def test_convolution_around_another_kind(on_input: bool) -> None:
    added = drawn(6, 8, 3, 3, seed=1)
    magnitudes = drawn(1, 8, 1, 1) if on_input else drawn(6, 1, 1, 1)

    def difference(weight: Tensor) -> Tensor:
        merged = weight + added.double()
        norm = (merged**2).sum((0, 2, 3) if on_input else (1, 2, 3), keepdim=True).sqrt()
        return magnitudes.double() * merged / norm - weight

    dora = Dora.around(Full(difference=added), magnitudes, (6, 8, 3, 3), peft=False)
    check(dora, drawn(6, 8, 3, 3), difference)


def test_square_weights_side_is_told_by_the_shape_and_by_who_wrote_it() -> None:
    full = Full(difference=torch.zeros(8, 8))
    assert Dora.around(full, drawn(1, 8), (8, 8), peft=False).on_input
    assert not Dora.around(full, drawn(8, 1), (8, 8), peft=False).on_input
    # PEFT's for convolutions have the shape [1, O, 1, 1].
    assert not Dora.around(full, drawn(1, 8), (8, 8), peft=True).on_input


def test_it_can_be_left_out() -> None:
    dora, weight = Dora.around(LORA, drawn(24, 1), (24, 40), peft=False), drawn(24, 40)
    plain = changed(weight, [(LORA, Use(strength=0.7))])
    assert torch.equal(changed(weight, [(dora, Use(strength=0.7, dora=False))]), plain)
    assert not torch.allclose(changed(weight, [(dora, Use(strength=0.7))]), plain)


def test_channels_without_weights_stay_finite() -> None:
    dora = Dora.around(Full(difference=torch.zeros(8, 8)), torch.ones(8, 1), (8, 8), peft=False)
    assert changed(torch.zeros(8, 8), [(dora, Use(strength=1.0))]).isfinite().all()


def test_as_many_magnitudes_as_channels() -> None:
    with pytest.raises(ValueError, match=r"dora_scale has the shape \[25, 1\]"):
        Dora.around(LORA, drawn(25, 1), (24, 40), peft=False)
