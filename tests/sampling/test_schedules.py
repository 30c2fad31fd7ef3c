from typing import Any

import pytest
import torch

from modules.core.errors import UnknownName
from modules.core.samplers import AUTOMATIC, SAMPLERS, SCHEDULERS, find_sampler
from modules.sampling.prediction import DiscreteNoise
from modules.sampling.schedules import CURVES, make_sigmas, resolve_schedule
from tests.sampling.recordings import alphas_cumprod, recorded

LABELS = [info.label for info in SCHEDULERS if info.label != AUTOMATIC]


def test_every_schedule_type_has_its_curve() -> None:
    assert list(CURVES) == LABELS
    assert {info.automatic_schedule for info in SAMPLERS} <= CURVES.keys()


@pytest.mark.parametrize(
    "case", recorded("levels", "schedules"), ids=lambda case: f"{case['scheduler']}{case['steps']}"
)
def test_sigmas_are_as_recorded(case: Any) -> None:
    sampler = find_sampler(case.get("sampler", "Euler"))
    label = resolve_schedule(sampler, case["scheduler"])
    sigmas = make_sigmas(label, case["steps"], DiscreteNoise(alphas_cumprod(case["table"])))
    assert sigmas.dtype == torch.float32
    torch.testing.assert_close(sigmas, torch.tensor(case["sigmas"]), rtol=2e-7, atol=0)


@pytest.mark.parametrize("steps", [1, 2, 3, 150, 1000])
@pytest.mark.parametrize("label", LABELS)
def test_sigmas_descend_to_zero(label: str, steps: int) -> None:
    noise = DiscreteNoise(alphas_cumprod("sd"))
    sigmas = make_sigmas(label, steps, noise)
    assert sigmas.shape == (steps + 1,)
    assert sigmas[0].item() == pytest.approx(noise.sigma_max)
    assert bool((sigmas.diff() < 0).all())
    assert sigmas[-1] == 0


def test_automatic_means_what_the_sampler_says() -> None:
    assert resolve_schedule(find_sampler("DPM++ 2M"), AUTOMATIC) == "Karras"
    assert resolve_schedule(find_sampler("Euler"), AUTOMATIC) == "Uniform"
    assert resolve_schedule(find_sampler("Euler"), "Karras") == "Karras"


def test_an_unknown_schedule_type_is_named() -> None:
    with pytest.raises(UnknownName, match="Wavy"):
        make_sigmas("Wavy", 5, DiscreteNoise(alphas_cumprod("sd")))
