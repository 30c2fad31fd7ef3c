import pytest
import torch

from modules.sampling.guidance import guided


@pytest.mark.parametrize("scale", [0.0, 1.0, 1.5, 7.0, 30.0])
def test_guidance_extrapolates(scale: float) -> None:
    cond, uncond = torch.randn(2, 2, 4, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(guided(cond, uncond, scale), uncond + scale * (cond - uncond))


def test_the_ends_are_exact() -> None:
    cond, uncond = torch.randn(2, 2, 4, 5, 3)
    assert guided(cond, uncond, 1.0).equal(cond)
    assert guided(cond, uncond, 0.0).equal(uncond)
