from typing import Any

import pytest
import torch

from modules.core.errors import InvalidRequest
from modules.sampling.img2img_steps import img2img_sigmas, img2img_steps
from modules.sampling.prediction import DiscreteNoise
from modules.sampling.schedules import make_sigmas
from tests.sampling.recordings import alphas_cumprod, recorded

CASES = recorded("schedules", "img2img")


def name_of(case: Any) -> str:
    """A short name for a recorded case."""
    return f"{case['steps']}-{case['strength']}-{'exact' if case['exact'] else 'part'}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_steps_are_as_recorded(case: Any) -> None:
    assert list(img2img_steps(case["steps"], case["strength"], exact=case["exact"])) == case["result"]


@pytest.mark.parametrize("case", [case for case in CASES if "levels" in case], ids=name_of)
def test_levels_are_as_recorded(case: Any) -> None:
    steps, t_enc = img2img_steps(case["steps"], case["strength"], exact=case["exact"])
    whole = make_sigmas("Karras", steps, DiscreteNoise(alphas_cumprod("sd")))
    sigmas = img2img_sigmas(whole, steps, t_enc)
    assert len(sigmas) == case["levels"]
    torch.testing.assert_close(sigmas[:3], torch.tensor(case["first"]), rtol=2e-7, atol=0)


def test_exact_steps_are_exact() -> None:
    steps, t_enc = img2img_steps(7, 0.3, exact=True)
    whole = make_sigmas("Uniform", steps, DiscreteNoise(alphas_cumprod("sd")))
    assert len(img2img_sigmas(whole, steps, t_enc)) == 7 + 1


def test_a_picture_stays_without_noise() -> None:
    steps, t_enc = img2img_steps(20, 0.0, exact=True)
    whole = make_sigmas("Karras", steps, DiscreteNoise(alphas_cumprod("sd")))
    assert img2img_sigmas(whole, steps, t_enc).equal(torch.zeros(1))


def test_endless_schedules_are_refused() -> None:
    assert img2img_steps(1000, 0.01, exact=True) == (100_000, 999)
    with pytest.raises(InvalidRequest, match="1e-09"):
        img2img_steps(20, 1e-9, exact=True)
    assert img2img_steps(20, 1e-9, exact=False) == (20, 0)
