"""The solvers that A1111 has not, against recordings on a known denoiser."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from modules.sampling.samplers.base import OdeSolver, Sampler, SolverOptions, deterministic
from modules.sampling.samplers.deis import deis
from modules.sampling.samplers.er_sde import er_sde
from modules.sampling.samplers.heunpp2 import heunpp2
from modules.sampling.samplers.ipndm import ipndm
from modules.sampling.samplers.ipndm_v import ipndm_v
from modules.sampling.samplers.res_multistep import res_multistep
from modules.sampling.samplers.sa_solver import sa_solver
from tests.sampling import mixture
from tests.sampling.recordings import array, recorded
from tests.sampling.samplers.recorded_runs import DTYPES, RecordedNoise, Run

SCHEDULES: dict[str, list[float]] = recorded("extra_solvers", "schedules")
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}
DEIS_TOLERANCE = 2e-6
"""Its weights are float32 sums, which the width of the processor's vectors rounds."""

ODE_SOLVERS: dict[str, OdeSolver] = {
    "ipndm": ipndm,
    "ipndm_v": ipndm_v,
    "deis": deis,
    "res_multistep": res_multistep,
}
SOLVERS: dict[str, Sampler] = {
    "heunpp2": heunpp2,
    "er_sde": er_sde,
    "sa_solver": sa_solver,
    **{name: deterministic(solver) for name, solver in ODE_SOLVERS.items()},
}
SIGMAS = torch.tensor([14.0, 5.0, 2.0, 0.8, 0.3, 0.1, 0.0], dtype=torch.float64)


class CountedNoise(RecordedNoise):
    """Counts the draws."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__(dtype)
        self.drawn = 0

    def next(self) -> Tensor:
        self.drawn += 1
        return super().next()


def solver_of(case: Any) -> Sampler:
    name = case["sampler"]
    return deterministic(partial(ODE_SOLVERS[name], **case["options"])) if case["options"] else SOLVERS[name]


@pytest.mark.parametrize("case", recorded("extra_solvers"), ids=lambda case: f"{case['id']} {case['sampler']}")
def test_solves_as_recorded(case: Any) -> None:
    dtype = DTYPES[case["dtype"]]
    sigmas = torch.tensor(SCHEDULES[case["schedule"]], dtype=dtype)
    noise = CountedNoise(dtype)

    run = Run(solver_of(case), sigmas, noise=noise)

    tolerance = max(TOLERANCE[case["dtype"]], DEIS_TOLERANCE if case["sampler"] == "deis" else 0.0)
    assert run.final.dtype == dtype
    torch.testing.assert_close(run.final, array("extra_solvers", case["id"]), rtol=tolerance, atol=tolerance)
    assert run.calls == pytest.approx(case["calls"], rel=1e-12)
    assert run.steps == list(range(len(sigmas) - 1))
    means = [denoised.double().mean().item() for denoised in run.denoised]
    assert means == pytest.approx(case["denoised_means"], abs=tolerance)
    assert noise.drawn == case.get("draws", 0)


@pytest.mark.parametrize("max_order", [1, 2, 3])
def test_ipndm_v_is_ipndm_where_all_steps_are_equal(max_order: int) -> None:
    sigmas = torch.linspace(10, 1, 12, dtype=torch.float64)
    even = Run(deterministic(partial(ipndm, max_order=max_order)), sigmas).final
    torch.testing.assert_close(Run(deterministic(partial(ipndm_v, max_order=max_order)), sigmas).final, even)


@pytest.mark.parametrize("solver", [ipndm, ipndm_v, deis])
def test_first_order_is_eulers_method(solver: Any) -> None:
    euler = mixture.START_NOISE * SIGMAS[0]
    for sigma, following in pairwise(SIGMAS):
        denoised = mixture.denoise(euler, sigma.expand(2))
        euler = denoised + (euler - denoised) * (following / sigma)
    torch.testing.assert_close(Run(deterministic(partial(solver, max_order=1)), SIGMAS).final, euler)


def test_sa_solver_adds_noise_only_in_its_interval() -> None:
    def drawn(levels: list[float], eta: float) -> int:
        noise = CountedNoise()
        Run(sa_solver, torch.tensor(levels, dtype=torch.float64), SolverOptions(eta=eta), noise=noise)
        return noise.drawn

    assert drawn([14.0, 6.0, 5.0, 1.0, 0.6, 0.5, 0.0], 1.0) == 3
    assert drawn([14.0, 6.0, 5.0, 1.0, 0.6, 0.5, 0.0], 0.0) == 0


def test_heunpp2_churns() -> None:
    noise = CountedNoise()
    run = Run(heunpp2, SIGMAS, SolverOptions(s_churn=1.0), noise=noise)
    assert noise.drawn == len(SIGMAS) - 1
    assert all(raised > level.item() for raised, level in zip(run.sigmas, SIGMAS[:-1], strict=True))
