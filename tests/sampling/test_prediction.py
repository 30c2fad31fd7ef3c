from typing import Any

import pytest
import torch

from modules.sampling.prediction import (
    Consistency,
    ConsistencyNoise,
    DiscreteNoise,
    Epsilon,
    Prediction,
    Velocity,
    noise_levels,
    zero_terminal_snr,
)
from tests.sampling.recordings import alphas_cumprod, array, recorded

PREDICTIONS: dict[str, Prediction] = {"eps": Epsilon(), "v": Velocity()}


def levels(table: str, *, quantised: bool = False) -> DiscreteNoise:
    """The noise levels of a recorded table."""
    half, zero_snr = table == "sd_fp16_downcast", table == "sd_ztsnr"
    return noise_levels(alphas_cumprod("sd"), half_precision=half, zero_snr=zero_snr, quantised=quantised)


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
    noise = levels(case["table"])
    assert (noise.sigma_min, noise.sigma_max) == (case["sigma_min"], case["sigma_max"])


@pytest.mark.parametrize("case", recorded("levels", "conversions"), ids="-".join)
def test_conversions_are_as_recorded(case: Any) -> None:
    noise = levels(case["table"], quantised=case["quantised"])
    if "t" in case:
        found = noise.sigma_to_t(torch.tensor(case["sigma"]))
        torch.testing.assert_close(found, torch.tensor(case["t"]), atol=2e-4, rtol=1e-6)
    else:
        found = noise.t_to_sigma(torch.tensor(case["t_in"]))
        torch.testing.assert_close(found, torch.tensor(case["sigma_out"]), atol=0, rtol=1e-6)


def test_zero_terminal_snr_is_as_recorded() -> None:
    assert zero_terminal_snr(alphas_cumprod("sd")).equal(array("tables", "sd_ztsnr"))


def test_zero_terminal_snr_of_half_precision_is_finite() -> None:
    noise = noise_levels(alphas_cumprod("sd"), half_precision=True, zero_snr=True)
    assert noise.sigma_max == levels("sd_ztsnr").sigma_max
    assert noise.sigma_min == pytest.approx(levels("sd_fp16_downcast").sigma_min, rel=1e-3)


def test_rounded_tables_are_read_in_full_precision() -> None:
    noise = levels("sd_fp16_downcast")
    assert noise.sigmas.dtype == torch.float16
    sigma = torch.tensor([0.5, 5.0])
    torch.testing.assert_close(noise.t_to_sigma(noise.sigma_to_t(sigma)), sigma, rtol=1e-4, atol=0)


def test_quantised_timesteps_are_the_nearest() -> None:
    noise = levels("sd", quantised=True)
    t = torch.tensor([0.4, 0.6, 500.3, 998.7])
    sigma = levels("sd").t_to_sigma(t).reshape(2, 2)
    assert noise.sigma_to_t(sigma).equal(torch.tensor([[0.0, 1.0], [500.0, 999.0]]))


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


@pytest.mark.parametrize("case", recorded("levels", "consistency"), ids=lambda case: str(case["sigma"]))
def test_consistency_is_as_recorded(case: Any) -> None:
    noise, sigma = ConsistencyNoise(alphas_cumprod("sd")), torch.tensor([case["sigma"]])
    assert noise.sigma_to_t(sigma).equal(torch.tensor([case["t"]]))
    one, nothing = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    prediction = Consistency(Epsilon(), noise)
    of_x = prediction.denoised(nothing, one, sigma).item()
    assert of_x == pytest.approx(case["c_out"] + case["c_skip"], abs=1e-7)
    of_output = prediction.denoised(one, nothing, sigma).item()
    assert of_output == pytest.approx(-case["sigma"] * case["c_out"], rel=1e-6)
    assert prediction.input_scale(sigma).equal(Epsilon().input_scale(sigma))


def test_consistency_levels_are_those_of_the_training() -> None:
    whole, kept = levels("sd"), ConsistencyNoise(alphas_cumprod("sd"))
    assert kept.sigmas.equal(whole.sigmas[19::20])
    assert (kept.t_min, kept.t_max, whole.t_min, whole.t_max) == (19, 999, 0, 999)
    every = torch.arange(19, 1000, 20).float()
    assert kept.sigma_to_t(kept.sigmas).equal(every)
    torch.testing.assert_close(kept.t_to_sigma(every), kept.sigmas)
    assert kept.t_to_sigma(torch.tensor(0.0)) == kept.t_to_sigma(torch.tensor(19.0))
    half = noise_levels(alphas_cumprod("sd"), half_precision=True, consistency=True)
    assert isinstance(half, ConsistencyNoise)
    assert half.sigmas.dtype == torch.float32
