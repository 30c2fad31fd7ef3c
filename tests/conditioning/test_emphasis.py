from pathlib import Path

import numpy as np
import pytest
import torch

from modules.conditioning.emphasis import emphasised
from modules.core.settings import Emphasis

DATA = Path(__file__).parents[1] / "data"
MODES = DATA / "prompting" / "emphasis_modes.npz"
ORIGINAL = DATA / "conditioning" / "emphasis.npz"


@pytest.mark.parametrize(
    ("file", "case", "mode"),
    [
        (ORIGINAL, "e20", "Original"),
        (ORIGINAL, "e21", "Original"),
        (MODES, "e30", "No norm"),
        (MODES, "e31", "No norm"),
        (MODES, "e10", "Ignore"),
        (MODES, "e02", "None"),
    ],
)
def test_emphasis_is_as_recorded(file: Path, case: str, mode: Emphasis) -> None:
    with np.load(file) as arrays:
        z, multipliers, expected = (torch.tensor(arrays[f"{case}.{name}"]) for name in ("z", "multipliers", "result"))
    result = emphasised(z, multipliers, torch.ones(len(z)), mode)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mode", ["None", "Ignore", "Original", "No norm"])
def test_no_emphasis_changes_nothing(mode: Emphasis) -> None:
    z = torch.randn(1, 77, 8)
    assert emphasised(z, torch.ones(1, 77), torch.ones(1), mode).equal(z)


def test_a_text_counts_as_often_as_it_occurs() -> None:
    z, weights = torch.randn(2, 77, 8) + 1, torch.rand(2, 77) + 0.5
    often = [0, 1, 1, 1]
    expected = emphasised(z[often], weights[often], torch.ones(4), "Original")[:2]
    torch.testing.assert_close(emphasised(z, weights, torch.tensor([1.0, 3.0]), "Original"), expected)


def test_the_mean_stays_what_it_was() -> None:
    z, weights = torch.randn(3, 77, 8) + 1, torch.rand(3, 77) + 0.5
    weighted = emphasised(z, weights, torch.ones(3), "Original")
    torch.testing.assert_close(weighted.mean(), z.mean())
    assert not emphasised(z, weights, torch.ones(3), "No norm").mean().isclose(z.mean())


@pytest.mark.parametrize("mode", ["Original", "No norm"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_emphasis_keeps_the_dtype(dtype: torch.dtype, mode: Emphasis) -> None:
    z = (torch.randn(1, 77, 8) + 1).to(dtype)
    weights = torch.linspace(0.5, 1.5, 77)[None]
    result = emphasised(z, weights, torch.ones(1), mode)
    assert result.dtype == dtype
    assert result.equal(emphasised(z.float(), weights, torch.ones(1), mode).to(dtype))
