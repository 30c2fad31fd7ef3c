from typing import Any

import pytest
import torch

from modules.sampling.prediction import DiscreteNoise, Epsilon, Prediction, Velocity
from tests.sampling.recordings import alphas_cumprod, recorded

PREDICTIONS: dict[str, Prediction] = {"eps": Epsilon(), "v": Velocity()}


@pytest.mark.parametrize("case", recorded("levels", "predictions"), ids=lambda case: case["table"] + case["prediction"])
def test_scalings_are_as_recorded(case: Any) -> None:
    prediction, sigma = PREDICTIONS[case["prediction"]], torch.tensor(case["sigmas"])
    ones = torch.ones(len(sigma), 4, 2, 2)
    zeros = torch.zeros_like(ones)

    def expected(name: str) -> torch.Tensor:
        return torch.tensor(case["scalings"].get(name, [1.0] * len(sigma)))

    torch.testing.assert_close(prediction.input_scale(sigma), expected("c_in"))
    of_output = prediction.denoised(ones, zeros, sigma)
    of_x = prediction.denoised(zeros, ones, sigma)
    torch.testing.assert_close(of_output, expected("c_out")[:, None, None, None].expand_as(ones))
    torch.testing.assert_close(of_x, expected("c_skip")[:, None, None, None].expand_as(ones))


@pytest.mark.parametrize("case", recorded("levels", "predictions"), ids=lambda case: case["table"] + case["prediction"])
def test_the_ends_of_the_table_are_as_recorded(case: Any) -> None:
    noise = DiscreteNoise(alphas_cumprod(case["table"]))
    assert (noise.sigma_min, noise.sigma_max) == (case["sigma_min"], case["sigma_max"])


@pytest.mark.parametrize("case", recorded("levels", "conversions"), ids="-".join)
def test_conversions_are_as_recorded(case: Any) -> None:
    noise = DiscreteNoise(alphas_cumprod(case["table"]))
    if "t" in case:
        found = noise.sigma_to_t(torch.tensor(case["sigma"]))
        torch.testing.assert_close(found, torch.tensor(case["t"]), atol=2e-4, rtol=1e-6)
    else:
        found = noise.t_to_sigma(torch.tensor(case["t_in"]))
        torch.testing.assert_close(found, torch.tensor(case["sigma_out"]), atol=0, rtol=1e-6)


def test_levels_beyond_the_table_are_its_ends() -> None:
    noise = DiscreteNoise(alphas_cumprod("sd"))
    assert noise.sigma_to_t(torch.tensor([20.0, 1e-3])).equal(torch.tensor([999.0, 0.0]))


def test_conversions_undo_each_other() -> None:
    noise = DiscreteNoise(alphas_cumprod("sd").double())
    t = torch.linspace(0, 999, 777, dtype=torch.float64)
    torch.testing.assert_close(noise.sigma_to_t(noise.t_to_sigma(t)), t)


@pytest.mark.parametrize("prediction", PREDICTIONS.values())
def test_half_precision_outputs_are_widened_first(prediction: Prediction) -> None:
    x = torch.randn(2, 4, 3, 3)
    output = torch.randn(2, 4, 3, 3).bfloat16()
    sigma = torch.tensor([14.0, 0.5])
    denoised = prediction.denoised(output, x, sigma)
    assert denoised.dtype == torch.float32
    assert denoised.equal(prediction.denoised(output.float(), x, sigma))
