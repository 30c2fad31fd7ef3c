"""Whole runs against k-diffusion's (and A1111's) on a denoiser that is known exactly."""

from typing import Any

import pytest
import torch

from tests.sampling.recordings import array, recorded
from tests.sampling.samplers.recorded_runs import DTYPES, RecordedNoise, replay

SCHEDULES: dict[str, list[float]] = recorded("solvers", "schedules")
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


@pytest.mark.parametrize("case", recorded("solvers"), ids=lambda case: f"{case['id']} {case['sampler']}")
def test_solves_as_recorded(case: Any) -> None:
    run, noise = replay(case, SCHEDULES)

    tolerance = TOLERANCE[case["dtype"]]
    assert run.final.dtype == DTYPES[case["dtype"]]
    torch.testing.assert_close(run.final, array("solvers", case["id"]), rtol=tolerance, atol=tolerance)
    assert run.calls == pytest.approx(case["calls"], rel=1e-14 if tolerance == 1e-9 else 2e-6)
    assert run.steps == list(range(len(case["x_means"])))
    assert [x.double().mean().item() for x in run.x] == pytest.approx(case["x_means"], abs=tolerance)
    means = [denoised.double().mean().item() for denoised in run.denoised]
    assert means == pytest.approx(case["denoised_means"], abs=tolerance)
    if "asked" in case:
        assert isinstance(noise, RecordedNoise)
        assert noise.asked == [tuple(levels) for levels in case["asked"]]
