from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.core.samplers import SAMPLERS
from modules.sampling.samplers.euler_ancestral import ancestral_step
from modules.sampling.samplers.registry import SOLVERS
from tests.sampling import mixture
from tests.sampling.recordings import array, recorded

SCHEDULES: dict[str, list[float]] = recorded("solvers", "schedules")
TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-5}


class RecordedNoise:
    """The noise that the recordings were made with, in order."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._draws = iter(mixture.LATER_NOISE.to(dtype))

    def next(self) -> Tensor:
        return next(self._draws)


class Run:
    """Runs a solver and keeps what it says on its way."""

    def __init__(self, sampler: str, sigmas: Tensor, eta: float) -> None:
        self.calls: list[float] = []
        self.steps: list[int] = []
        self.sigmas: list[float] = []
        self.x_means: list[float] = []
        self.denoised_means: list[float] = []
        x = mixture.START_NOISE.to(sigmas.dtype) * sigmas[0]
        noise = RecordedNoise(sigmas.dtype)
        self.final = SOLVERS[sampler](self._denoise, x, sigmas, noise, self._on_step, eta=eta)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        assert sigma.shape == x.shape[:1]
        self.calls.append(sigma[0].item())
        return mixture.denoise(x, sigma)

    def _on_step(self, i: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
        self.steps.append(i)
        self.sigmas.append(sigma.item())
        self.x_means.append(x.mean().item())
        self.denoised_means.append(denoised.mean().item())


def test_every_sampler_has_its_solver() -> None:
    assert set(SOLVERS) == {info.name for info in SAMPLERS}


@pytest.mark.parametrize("case", recorded("solvers"), ids=lambda case: f"{case['id']} {case['sampler']}")
def test_solves_as_recorded(case: Any) -> None:
    dtype = {"float64": torch.float64, "float32": torch.float32}[case["dtype"]]
    sigmas = torch.tensor(SCHEDULES[case["schedule"]], dtype=dtype)

    run = Run(case["sampler"], sigmas, case["eta"])

    torch.testing.assert_close(run.final, array("solvers", case["id"]), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert run.steps == list(range(len(sigmas) - 1))
    assert run.sigmas == [sigma.item() for sigma in sigmas[:-1]]
    if dtype == torch.float64:
        assert run.calls == pytest.approx(case["calls"], rel=1e-14)
        assert run.x_means == pytest.approx(case["x_means"], abs=1e-10)
        assert run.denoised_means == pytest.approx(case["denoised_means"], abs=1e-10)


@pytest.mark.parametrize("info", SAMPLERS, ids=lambda info: info.name)
def test_second_order_samplers_call_the_model_twice_a_step(info: Any) -> None:
    run = Run(info.name, torch.tensor([10.0, 3.0, 1.0, 0.3, 0.0]), eta=1.0)
    assert len(run.calls) == (7 if info.second_order else 4)


@pytest.mark.parametrize("info", SAMPLERS, ids=lambda info: info.name)
def test_eta_matters_where_it_is_said_to(info: Any) -> None:
    sigmas = torch.tensor([10.0, 3.0, 1.0, 0.3, 0.0])
    assert Run(info.name, sigmas, eta=0.0).final.equal(Run(info.name, sigmas, eta=1.0).final) != info.uses_eta


@pytest.mark.parametrize("sampler", SOLVERS)
def test_more_steps_come_closer_to_the_solution(sampler: str) -> None:
    def distance(steps: int, exact: Tensor) -> float:
        return (Run(sampler, schedule(steps), eta=0.0).final - exact).abs().mean().item()

    def schedule(steps: int) -> Tensor:
        roots = torch.linspace(sqrt(10), sqrt(0.1), steps, dtype=torch.float64)
        return torch.cat((roots**2, torch.zeros(1, dtype=torch.float64)))

    exact = Run("Heun", schedule(400), eta=0.0).final
    assert distance(40, exact) < 0.6 * distance(20, exact)


def ignore(_i: int, _sigma: Tensor, _x: Tensor, _denoised: Tensor) -> None:
    """A step hook that does nothing."""


def test_solvers_leave_their_input_alone() -> None:
    for solver in SOLVERS.values():
        x = mixture.START_NOISE * 10
        before = x.clone()
        sigmas = torch.tensor([10.0, 1.0, 0.0], dtype=torch.float64)
        solver(mixture.denoise, x, sigmas, RecordedNoise(torch.float64), ignore, eta=1.0)
        assert x.equal(before)


@pytest.mark.parametrize(
    ("sigma", "following", "eta", "down", "up"),  # recorded from k-diffusion's get_ancestral_step, float32
    [
        (14.6, 10.0, 0.3, 9.758185386657715, 2.1858224868774414),
        (14.6, 10.0, 1.0, 6.849315166473389, 7.286074638366699),
        (1.0, 0.5, 0.0, 0.5, 0.0),
        (1.0, 0.5, 0.3, 0.4828301966190338, 0.12990380823612213),
        (1.0, 0.5, 1.0, 0.25, 0.4330126941204071),
        (1.0, 0.0, 1.0, 0.0, 0.0),
    ],
)
def test_ancestral_steps_are_as_recorded(sigma: float, following: float, eta: float, down: float, up: float) -> None:
    found = ancestral_step(torch.tensor(sigma), torch.tensor(following), eta)
    assert [value.item() for value in found] == pytest.approx([down, up], rel=1e-6)
