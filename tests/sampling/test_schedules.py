from dataclasses import replace
from typing import Any

import pytest
import torch

from modules.core.errors import InvalidRequest, UnknownName
from modules.core.samplers import AUTOMATIC, SAMPLERS, SCHEDULERS, find_sampler, find_scheduler
from modules.sampling.prediction import DiscreteNoise, noise_levels
from modules.sampling.schedules import (
    ALIGN_YOUR_STEPS_SD1,
    ALIGN_YOUR_STEPS_SDXL,
    CURVES,
    ScheduleOptions,
    make_sigmas,
    resolve_schedule,
    schedule_fields,
    starting_scale,
)
from tests.sampling.recordings import alphas_cumprod, recorded

LABELS = [info.label for info in SCHEDULERS if info.label != AUTOMATIC]


def levels(table: str = "sd", *, consistency: bool = False) -> DiscreteNoise:
    """The noise levels of a recorded table."""
    return noise_levels(
        alphas_cumprod("sd"),
        half_precision=table == "sd_fp16_downcast",
        zero_snr=table == "sd_ztsnr",
        consistency=consistency,
    )


def name_of(case: Any) -> str:
    """A short name for a recorded case."""
    options = "-".join(f"{key}{value:.4g}" for key, value in case["options"].items())
    return f"{case.get('sampler', '')}-{case['scheduler']}-{case['steps']}-{options}"


def test_every_schedule_type_has_its_curve() -> None:
    assert list(CURVES) == LABELS
    assert {info.automatic_schedule for info in SAMPLERS} <= CURVES.keys()


@pytest.mark.parametrize("case", recorded("schedules", "curves"), ids=name_of)
def test_curves_are_as_recorded(case: Any) -> None:
    options = ScheduleOptions(
        **case["options"], align_your_steps=ALIGN_YOUR_STEPS_SDXL if case.get("sdxl") else ALIGN_YOUR_STEPS_SD1
    )
    sigmas = make_sigmas(case["scheduler"], case["steps"], levels(), options)
    assert sigmas.dtype == torch.float32
    torch.testing.assert_close(sigmas, torch.tensor(case["sigmas"]), rtol=2e-7, atol=0)


@pytest.mark.parametrize("case", recorded("schedules", "runs"), ids=name_of)
def test_schedules_of_samplers_are_as_recorded(case: Any) -> None:
    sampler, options = find_sampler(case["sampler"]), ScheduleOptions(**case["options"])
    noise = levels(case["table"], consistency=sampler.consistency)
    sigmas = make_sigmas(
        resolve_schedule(sampler, case["scheduler"]),
        case["steps"],
        noise,
        options,
        discard_next_to_last=sampler.discard_next_to_last_sigma,
    )
    torch.testing.assert_close(sigmas, torch.tensor(case["sigmas"]), rtol=2e-7, atol=0)


@pytest.mark.parametrize("case", recorded("schedules", "runs"), ids=name_of)
def test_infotext_fields_are_as_recorded(case: Any) -> None:
    fields = schedule_fields(
        find_sampler(case["sampler"]), case["scheduler"], levels(case["table"]), ScheduleOptions(**case["options"])
    )
    assert list(fields.items()) == list(case["fields"].items())


def test_infotexts_do_not_say_what_has_no_effect() -> None:
    noise = levels()
    options = ScheduleOptions(sigma_min=0.1, rho=3.0, discard_next_to_last_sigma=True)
    euler, unipc, dpm2 = find_sampler("Euler"), find_sampler("UniPC"), find_sampler("DPM2")
    assert schedule_fields(euler, AUTOMATIC, noise, options) == {"Discard penultimate sigma": True}
    assert schedule_fields(unipc, "Karras", noise, options) == {"Discard penultimate sigma": True}
    assert schedule_fields(dpm2, AUTOMATIC, noise, options) == {"Schedule min sigma": 0.1, "Schedule rho": 3.0}
    own = ScheduleOptions(sigma_min=noise.sigma_min, sigma_max=noise.sigma_max, rho=7.0)
    assert schedule_fields(euler, "Karras", noise, own) == {}


@pytest.mark.parametrize("steps", [1, 2, 3, 150, 1000])
@pytest.mark.parametrize("label", LABELS)
def test_sigmas_descend(label: str, steps: int) -> None:
    noise = levels()
    sigmas = make_sigmas(label, steps, noise)
    assert bool((sigmas.diff() < 0).all())
    if label == "DDIM":  # its distances are whole timesteps
        assert len(sigmas) > steps - (steps == 1000)
    else:
        assert sigmas.shape == (steps + 1,)
    if label != "DDIM" and not (label == "Align Your Steps" and steps == 1):
        assert sigmas[0].item() == pytest.approx(noise.sigma_max, rel=1e-4)
    assert sigmas[-1].item() == (pytest.approx(noise.sigma_min) if label == "KL Optimal" else 0)


@pytest.mark.parametrize("label", LABELS)
def test_the_next_to_last_level_is_left_out_once(label: str) -> None:
    noise = levels()
    one_more = make_sigmas(label, 9, noise)
    expected = torch.cat((one_more[:-2], one_more[-1:]))
    always = ScheduleOptions(discard_next_to_last_sigma=True)
    assert make_sigmas(label, 8, noise, discard_next_to_last=True).equal(expected)
    assert make_sigmas(label, 8, noise, always).equal(expected)
    assert make_sigmas(label, 8, noise, always, discard_next_to_last=True).equal(expected)


@pytest.mark.parametrize("label", ["SGM Uniform", "Normal"])
def test_timesteps_lie_between_the_levels_asked_for(label: str) -> None:
    noise = levels()
    sigmas = make_sigmas(label, 9, noise, ScheduleOptions(sigma_min=0.1, sigma_max=10.0))
    high, low = noise.sigma_to_t(torch.tensor((10.0, 0.1)))
    t = noise.sigma_to_t(sigmas[:-1])
    distance = (low - high) / (9 if label == "SGM Uniform" else 8)
    torch.testing.assert_close(t, high + distance * torch.arange(9), atol=1e-3, rtol=0)


def test_quantised_levels_begin_and_end_at_whole_timesteps() -> None:
    noise = noise_levels(alphas_cumprod("sd"), quantised=True)
    sigmas = make_sigmas("Normal", 5, noise, ScheduleOptions(sigma_min=0.1, sigma_max=10.0))
    for asked, found in ((10.0, sigmas[0]), (0.1, sigmas[-2])):
        nearest = (noise.sigmas.log() - torch.tensor(asked).log()).abs().argmin()
        assert found.item() == pytest.approx(noise.sigmas[nearest].item(), rel=1e-6)


def test_old_ends_give_way_to_those_asked_for() -> None:
    old = ScheduleOptions(old_karras_sigmas=True)
    noise = levels()
    for options, low in ((old, 0.1), (replace(old, sigma_min=0.05), 0.05)):
        sigmas = make_sigmas("Exponential", 5, noise, options)
        torch.testing.assert_close(sigmas[[0, -2]], torch.tensor((10.0, low)))


@pytest.mark.parametrize("label", ["Karras", "Polyexponential"])
def test_rho_of_0_is_the_curves_own(label: str) -> None:
    noise = levels()
    own = ScheduleOptions(rho=find_scheduler(label).default_rho)
    assert make_sigmas(label, 7, noise).equal(make_sigmas(label, 7, noise, own))
    assert not make_sigmas(label, 7, noise).equal(make_sigmas(label, 7, noise, ScheduleOptions(rho=3.0)))


def test_no_steps_are_no_noise() -> None:
    assert all(make_sigmas(label, 0, levels()).equal(torch.zeros(1)) for label in LABELS)


def test_automatic_means_what_the_sampler_says() -> None:
    assert resolve_schedule(find_sampler("DPM++ 2M"), AUTOMATIC) == "Karras"
    assert resolve_schedule(find_sampler("Euler"), AUTOMATIC) == "Uniform"
    assert resolve_schedule(find_sampler("Euler"), "Karras") == "Karras"


def test_an_unknown_schedule_type_is_named() -> None:
    with pytest.raises(UnknownName, match="Wavy"):
        make_sigmas("Wavy", 5, levels())


@pytest.mark.parametrize("options", [{"sigma_min": 20.0}, {"sigma_max": 0.01}, {"sigma_min": 3.0, "sigma_max": 3.0}])
def test_a_schedule_that_would_rise_is_refused(options: Any) -> None:
    with pytest.raises(InvalidRequest, match="sigma_min"):
        make_sigmas("Karras", 5, levels(), ScheduleOptions(**options))


def test_noise_begins_at_the_first_level() -> None:
    sigma = torch.tensor(3.0)
    assert starting_scale(sigma, sgm_noise_multiplier=False) == 3
    assert starting_scale(sigma, sgm_noise_multiplier=True).item() == pytest.approx(10**0.5)
