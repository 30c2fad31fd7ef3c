"""How adapters are put onto weights: order, rounding, layouts, blocks."""

import pytest
import torch
from torch import Tensor, nn

from modules.adapters import weights
from modules.adapters.kinds.base import Change, Use
from modules.adapters.kinds.full import Full
from modules.adapters.kinds.ia3 import Ia3
from modules.adapters.kinds.lokr import Lokr
from modules.adapters.kinds.lora import Lora
from modules.adapters.kinds.partial import FirstChannels
from modules.adapters.weights import changed
from tests.adapters.kinds.comparing import drawn

HALF = Use(strength=0.5)


def lora(out: int, into: int, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Lora:
    return Lora(up=drawn(out, 4, seed=seed).to(dtype), down=drawn(4, into, seed=seed).to(dtype))


def test_each_adapter_is_applied_to_what_the_one_before_left() -> None:
    weight, difference, factors = drawn(6, 8), drawn(6, 8, seed=1), drawn(8)
    full, ia3 = Full(difference=difference), Ia3(factors=factors, on_input=True)
    one = changed(weight, [(full, HALF), (ia3, HALF)])
    other = changed(weight, [(ia3, HALF), (full, HALF)])
    assert torch.allclose(one, (weight + difference / 2) * (1 + factors / 2))
    assert torch.allclose(other, weight * (1 + factors / 2) + difference / 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_small_differences_are_rounded_once(dtype: torch.dtype) -> None:
    # Each by itself would be rounded away.
    step = torch.finfo(dtype).eps
    full = Full(difference=torch.full((4, 4), step / 8))
    made = changed(torch.ones(4, 4, dtype=dtype), [(full, Use(strength=1.0))] * 8)
    assert torch.equal(made, torch.full((4, 4), 1 + step, dtype=dtype))


def test_weights_of_8_bits() -> None:
    weight = drawn(6, 8).to(torch.float8_e4m3fn)
    made = changed(weight, [(lora(6, 8), HALF)])
    exact = changed(weight.float(), [(lora(6, 8), HALF)])
    assert made.dtype == torch.float8_e4m3fn
    assert torch.equal(made.float(), exact.to(torch.float8_e4m3fn).float())


def test_the_weight_stays_as_it_is_unless_it_is_to_be_changed() -> None:
    weight = drawn(6, 8)
    before = weight.clone()
    made = changed(weight, [(lora(6, 8), HALF)])
    assert torch.equal(weight, before)
    assert changed(weight, [(lora(6, 8), HALF)], out=weight) is not made
    assert torch.equal(weight, made)


def test_parameters_are_taken_and_the_result_is_none() -> None:
    made = changed(nn.Parameter(drawn(6, 8)), [(lora(6, 8), HALF)])
    assert not made.requires_grad
    assert not isinstance(made, nn.Parameter)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_layout_is_kept(dtype: torch.dtype) -> None:
    weight = drawn(6, 8, 3, 3).to(dtype, memory_format=torch.channels_last)
    made = changed(weight, [(lora(6, 72), HALF)])
    assert made.is_contiguous(memory_format=torch.channels_last)
    assert made.dtype == dtype
    plain = changed(weight.contiguous(), [(lora(6, 72), HALF)])
    assert torch.allclose(made.float(), plain.float(), atol=1e-5, rtol=2 * torch.finfo(dtype).eps)


def _in_blocks(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    monkeypatch.setattr(weights, "BLOCK_NUMBERS", numbers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(37, 8), (37, 8, 3, 3)])
@pytest.mark.parametrize("last", [False, True])
def test_blocks_of_rows_make_the_same(
    dtype: torch.dtype, shape: tuple[int, ...], last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = drawn(*shape).to(dtype)
    if last and weight.ndim == 4:
        weight = weight.to(memory_format=torch.channels_last)
    changes: list[tuple[Change, Use]] = [
        (lora(37, weight[0].numel()), HALF),
        (Full(difference=drawn(*shape, seed=1)), Use(strength=-0.3)),
    ]
    whole = changed(weight, changes)
    _in_blocks(monkeypatch, 3 * weight[0].numel())
    assert torch.allclose(changed(weight, changes), whole, atol=1e-5)
    changed(weight, changes, out=weight)
    assert torch.allclose(weight, whole, atol=1e-5)


def test_blocks_of_the_first_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = drawn(37, 9, 3, 3)
    change = FirstChannels(inner=lora(37, 36), channels=4)
    whole = changed(weight, [(change, HALF)])
    _in_blocks(monkeypatch, 200)
    assert torch.allclose(changed(weight, [(change, HALF)]), whole, atol=1e-5)


def test_kinds_that_mix_rows_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = drawn(24, 40)
    lokr = Lokr(first=(drawn(4, 5),), second=(drawn(6, 8),))
    whole = changed(weight, [(lora(24, 40), HALF), (lokr, HALF)])
    _in_blocks(monkeypatch, 80)
    assert torch.equal(changed(weight, [(lora(24, 40), HALF), (lokr, HALF)]), whole)


def test_weights_of_one_number_and_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _in_blocks(monkeypatch, 1)
    assert changed(torch.ones(1), [(Full(difference=torch.ones(1)), HALF)]).item() == 1.5
    assert changed(torch.ones(3, 0), []).shape == (3, 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(320, 768), (64, 32, 3, 3)])
def test_one_call_of_cuda_rounds_once(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    weight = drawn(*shape).to(dtype)
    change = lora(shape[0], weight[0].numel(), dtype=dtype)
    use = Use(strength=0.7, rank=3)
    exact: Tensor = changed(weight.double(), [(change, use)])
    made = changed(weight.cuda(), [(change, use)])
    assert made.dtype == dtype
    error = (made.cpu().double() - exact).abs()
    assert (error <= 0.51 * torch.finfo(dtype).eps * exact.abs() + 1e-6).all()
