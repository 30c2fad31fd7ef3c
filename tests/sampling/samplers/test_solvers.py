"""What is true of every solver that walks over noise levels, by its label."""

import itertools
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.core.samplers import SAMPLERS, find_sampler
from modules.sampling.samplers.ancestral import ancestral_step
from modules.sampling.samplers.base import SolverOptions
from modules.sampling.samplers.registry import SOLVERS, TIMESTEP_METHODS
from tests.sampling import mixture
from tests.sampling.samplers.recorded_runs import RecordedNoise, Run

LABELS = list(SOLVERS)
SIGMAS = torch.tensor([10.0, 3.0, 1.0, 0.3, 0.0])
ALWAYS_NOISY = {"Restart", "LCM", "ER SDE"}
CHOOSES_ITS_CALLS = "DPM adaptive"
INEXACT = "IPNDM_V"
"""Its weights are not those of the polynomial through the slopes where steps are uneven: more steps need not help."""

every_label = pytest.mark.parametrize("label", LABELS)


class Silence:
    """A source of noise that has none."""

    def next(self) -> Tensor:
        raise AssertionError("noise was asked for")

    def between(self, sigma: Tensor, following: Tensor) -> Tensor:
        raise AssertionError(f"noise was asked for between {sigma} and {following}")


def schedule(steps: int) -> Tensor:
    roots = torch.linspace(sqrt(10), sqrt(0.1), steps, dtype=torch.float64)
    return torch.cat((roots**2, torch.zeros(1, dtype=torch.float64)))


def differs(label: str, sigmas: Tensor, one: SolverOptions, other: SolverOptions) -> bool:
    return not Run(SOLVERS[label], sigmas, one).final.equal(Run(SOLVERS[label], sigmas, other).final)


def test_every_sampler_has_its_solver() -> None:
    assert set(SOLVERS) == {info.name for info in SAMPLERS if not info.timesteps}
    assert set(TIMESTEP_METHODS) == {info.name for info in SAMPLERS if info.timesteps}


@pytest.mark.parametrize("label", [label for label in LABELS if label != CHOOSES_ITS_CALLS])
def test_the_model_is_called_as_often_per_step_as_is_said(label: str) -> None:
    per_step = find_sampler(label).calls_per_step
    calls = sum(min(per_step, left) for left in (4, 3, 2, 1))  # no step looks past the end of the schedule
    assert len(Run(SOLVERS[label], SIGMAS).calls) == calls


@every_label
def test_eta_matters_where_it_is_said_to(label: str) -> None:
    assert differs(label, SIGMAS, SolverOptions(eta=0.2), SolverOptions(eta=0.7)) == find_sampler(label).uses_eta


@every_label
def test_churn_matters_where_it_is_said_to(label: str) -> None:
    assert differs(label, SIGMAS, SolverOptions(), SolverOptions(s_churn=1.0)) == find_sampler(label).churns


@every_label
def test_noise_is_scaled_where_it_is_said_to_be(label: str) -> None:
    one, other = SolverOptions(s_churn=1.0), SolverOptions(s_churn=1.0, s_noise=0.9)
    assert differs(label, schedule(20), one, other) == find_sampler(label).scales_noise


@every_label
def test_brownian_noise_is_asked_for_where_it_is_said_to_be(label: str) -> None:
    noise = RecordedNoise(torch.float64)
    Run(SOLVERS[label], schedule(4), SolverOptions(), noise=noise)
    assert bool(noise.asked) == find_sampler(label).brownian_noise


@pytest.mark.parametrize("label", [label for label in LABELS if label not in ALWAYS_NOISY])
def test_nothing_is_drawn_without_need(label: str) -> None:
    Run(SOLVERS[label], schedule(6), SolverOptions(eta=0.0), noise=Silence())


@every_label
def test_one_step_ends_at_what_the_model_says(label: str) -> None:
    sigmas = torch.tensor([10.0, 0.0], dtype=torch.float64)

    run = Run(SOLVERS[label], sigmas, noise=Silence())

    torch.testing.assert_close(run.final, mixture.denoise(mixture.START_NOISE * 10, sigmas[:1]))
    assert run.calls == pytest.approx([10.0])
    assert run.steps == [0]


@every_label
def test_a_schedule_may_end_above_zero(label: str) -> None:
    run = Run(SOLVERS[label], SIGMAS[:-1])
    assert run.final.isfinite().all()
    assert run.steps


@every_label
def test_steps_begin_at_the_first_level_and_are_numbered(label: str) -> None:
    run = Run(SOLVERS[label], SIGMAS)
    assert run.sigmas[0] == pytest.approx(10)
    assert run.steps == list(range(len(run.steps)))
    assert run.x[0].equal(mixture.START_NOISE.float() * 10)


@pytest.mark.parametrize(
    "label", [label for label in LABELS if label not in {CHOOSES_ITS_CALLS, INEXACT, *ALWAYS_NOISY}]
)
def test_more_steps_come_closer_to_the_solution(label: str) -> None:
    def solve(label: str, steps: int) -> Tensor:
        return Run(SOLVERS[label], schedule(steps)[:-1], SolverOptions(eta=0.0)).final

    exact = solve("Heun", 400)
    coarse, fine = ((solve(label, steps) - exact).abs().mean() for steps in (20, 40))
    assert fine < 0.6 * coarse


@every_label
def test_solvers_leave_what_they_are_given_alone(label: str) -> None:
    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        given.append((x, x.clone()))
        denoised = mixture.denoise(x, sigma)
        given.append((denoised, denoised.clone()))
        return denoised

    def ignore(_i: int, _sigma: Tensor, _x: Tensor, _denoised: Tensor) -> None:
        """A step hook that does nothing."""

    given: list[tuple[Tensor, Tensor]] = []
    options = SolverOptions(s_churn=1.0)
    SOLVERS[label](denoise, mixture.START_NOISE * 10, SIGMAS.double(), RecordedNoise(torch.float64), ignore, options)
    assert given
    assert all(tensor.equal(before) for tensor, before in given)


@pytest.mark.parametrize("s_tmax", [2.0, 5.0])
def test_levels_that_are_not_churned_use_up_their_noise(s_tmax: float) -> None:
    class Counting(RecordedNoise):
        drawn = 0

        def next(self) -> Tensor:
            self.drawn += 1
            return super().next()

    noise = Counting(SIGMAS.dtype)
    run = Run(SOLVERS["Euler"], SIGMAS, SolverOptions(s_churn=1.0, s_tmin=0.5, s_tmax=s_tmax), noise=noise)
    assert noise.drawn == 4
    raised = [sigma > level.item() for sigma, level in zip(run.sigmas, SIGMAS[:-1], strict=True)]
    assert raised == [False, s_tmax > 3, True, False]


def test_churn_has_a_limit() -> None:
    run = Run(SOLVERS["Euler"], SIGMAS.double(), SolverOptions(s_churn=1000.0))
    assert run.sigmas == pytest.approx([level.item() * sqrt(2) for level in SIGMAS[:-1]])


def test_dpm_fast_and_dpm_adaptive_use_nothing_but_the_ends_of_the_schedule() -> None:
    for label in ("DPM fast", "DPM adaptive"):
        other = torch.tensor([10.0, 9.0, 8.0, 0.3, 0.0])
        assert Run(SOLVERS[label], other).final.equal(Run(SOLVERS[label], SIGMAS).final)
        lower = torch.tensor([10.0, 3.0, 1.0, 0.2, 0.0])
        assert not Run(SOLVERS[label], lower).final.equal(Run(SOLVERS[label], SIGMAS).final)


@pytest.mark.parametrize("steps", range(1, 12))
def test_dpm_fast_calls_the_model_once_a_step(steps: int) -> None:
    assert len(Run(SOLVERS["DPM fast"], schedule(steps)).calls) == steps


@pytest.mark.parametrize(("eta", "value"), itertools.product([0.0, 1.0], [float("nan"), float("inf")]))
def test_dpm_adaptive_ends_even_if_the_model_is_broken(eta: float, value: float) -> None:
    def broken(x: Tensor, _sigma: Tensor) -> Tensor:
        return torch.full_like(x, value)

    steps: list[int] = []

    def count(i: int, *_state: Any) -> None:
        steps.append(i)

    x = mixture.START_NOISE.float()
    SOLVERS["DPM adaptive"](broken, x, SIGMAS, RecordedNoise(x.dtype), count, SolverOptions(eta=eta))
    assert steps == [0, 1]


@pytest.mark.parametrize(("steps", "restarts"), [(19, 0), (20, 1), (35, 1), (36, 2), (50, 2)])
def test_restart_takes_its_steps_from_the_schedule(steps: int, restarts: int) -> None:
    run = Run(SOLVERS["Restart"], schedule(steps))
    assert len(run.steps) == steps
    assert len(run.calls) == 2 * steps - 1
    assert sum(after > before for before, after in itertools.pairwise(run.sigmas)) == restarts


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
