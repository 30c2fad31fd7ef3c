import pytest
import torch

from modules.sampling.guidance import guided


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 7.0, 30.0])
def test_guidance_extrapolates(scale: float) -> None:
    cond, uncond = torch.randn(2, 2, 4, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(guided(cond, uncond, scale), uncond * (1 - scale) + cond * scale)
