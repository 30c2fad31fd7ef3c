"""Runs a solver on the analytic denoiser the way a recording from k-diffusion was made, and keeps what it does."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from modules.sampling.brownian import BrownianPaths
from modules.sampling.samplers.base import NoiseSource, Sampler, SolverOptions, deterministic
from modules.sampling.samplers.dpm2 import dpm2, dpm2_ancestral
from modules.sampling.samplers.dpm_adaptive import StepControl, dpm_adaptive
from modules.sampling.samplers.dpm_fast import dpm_fast
from modules.sampling.samplers.dpmpp_2m import dpmpp_2m
from modules.sampling.samplers.dpmpp_2m_sde import dpmpp_2m_sde
from modules.sampling.samplers.dpmpp_2s_ancestral import dpmpp_2s_ancestral
from modules.sampling.samplers.dpmpp_3m_sde import dpmpp_3m_sde
from modules.sampling.samplers.dpmpp_sde import dpmpp_sde
from modules.sampling.samplers.euler import euler
from modules.sampling.samplers.euler_ancestral import euler_ancestral
from modules.sampling.samplers.heun import heun
from modules.sampling.samplers.lcm import lcm
from modules.sampling.samplers.lms import lms
from modules.sampling.samplers.restart import Interval, restart
from tests.sampling import mixture

SOLVERS: dict[str, Sampler] = {
    "euler": euler,
    "heun": heun,
    "dpm_2": dpm2,
    "dpmpp_2m": deterministic(dpmpp_2m),
    "euler_ancestral": euler_ancestral,
    "dpm_2_ancestral": dpm2_ancestral,
    "dpmpp_2s_ancestral": dpmpp_2s_ancestral,
    "dpmpp_sde": dpmpp_sde,
    "dpmpp_3m_sde": dpmpp_3m_sde,
    "lcm": lcm,
    "restart": restart,
    "dpm_fast": dpm_fast,
}
"""By the names of the recordings."""

DTYPES = {"float64": torch.float64, "float32": torch.float32}


class RecordedNoise:
    """The noise that the recordings were made with, in order, whatever it is asked for; keeps between which levels."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._draws = iter(mixture.LATER_NOISE.to(dtype))
        self.asked: list[tuple[float, float]] = []

    def next(self) -> Tensor:
        return next(self._draws)

    def between(self, sigma: Tensor, following: Tensor) -> Tensor:
        self.asked.append((sigma.item(), following.item()))
        return next(self._draws)


class BrownianNoise:
    """The Brownian paths of the recordings, for a schedule."""

    def __init__(self, sigmas: Tensor) -> None:
        def draw(seed: int) -> Tensor:
            return torch.randn((4, 8, 8), generator=torch.Generator().manual_seed(seed)).to(sigmas.dtype)

        low, high = sigmas[sigmas > 0].min().item(), sigmas.max().item()
        self.between = BrownianPaths([1000, 1001], draw, low=low, high=high).between

    def next(self) -> Tensor:
        raise AssertionError("solvers of stochastic differential equations take all their noise from paths")


class Run:
    """Runs a solver and keeps what it says on its way."""

    def __init__(
        self,
        solver: Sampler,
        sigmas: Tensor,
        options: SolverOptions | None = None,
        *,
        start: Tensor | None = None,
        noise: NoiseSource | None = None,
    ) -> None:
        self.calls: list[float] = []
        self.steps: list[int] = []
        self.sigmas: list[float] = []
        self.x: list[Tensor] = []
        self.denoised: list[Tensor] = []
        x = mixture.START_NOISE.to(sigmas.dtype) * sigmas[0] if start is None else start
        noise = noise or RecordedNoise(x.dtype)
        self.final = solver(self._denoise, x, sigmas, noise, self._on_step, options or SolverOptions())

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        assert sigma.shape == x.shape[:1]
        assert sigma.dtype == x.dtype
        self.calls.append(sigma[0].item())
        return mixture.denoise(x, sigma)

    def _on_step(self, i: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
        assert sigma.item() == self.calls[-1]
        self.steps.append(i)
        self.sigmas.append(sigma.item())
        self.x.append(x.clone())
        self.denoised.append(denoised.clone())


def replay(case: Any, schedules: dict[str, Any]) -> tuple[Run, NoiseSource]:
    """Run what a recording says ("sampler", "schedule", "dtype", "noise", "options"); also return the noise it had."""
    dtype = DTYPES[case["dtype"]]
    options = dict(case["options"])
    if case["schedule"] is None:
        high, low = options.pop("sigma_max"), options.pop("sigma_min")
        sigmas = torch.linspace(high, low, options.pop("n", 1) + 1)  # k-diffusion's grids of these two are float32
    else:
        sigmas = torch.tensor(schedules[case["schedule"]], dtype=dtype)
        high = sigmas[0]
    noise = BrownianNoise(sigmas) if case["noise"] == "brownian" else RecordedNoise(dtype)
    options.setdefault("eta", 0.0 if case["sampler"] in ("dpm_fast", "dpm_adaptive") else 1.0)
    solver_options = SolverOptions(**_taken(options, "eta", "s_churn", "s_tmin", "s_tmax", "s_noise"))
    solver = _with_settings(case["sampler"], options)
    start = mixture.START_NOISE.to(dtype) * high
    return Run(solver, sigmas, solver_options, start=start, noise=noise), noise


def _taken(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}


def _with_settings(name: str, options: dict[str, Any]) -> Sampler:
    """Return the solver with the settings that are its own, which have k-diffusion's names in `options`."""
    options.pop("return_info", None)
    if name == "lms":
        return deterministic(partial(lms, **options))
    if name == "dpm_adaptive":
        return partial(dpm_adaptive, control=StepControl(**options))
    if name == "dpmpp_2m_sde":
        return partial(dpmpp_2m_sde, heun=options.pop("solver_type", "midpoint") == "heun")
    if name == "restart" and "restart_list" in options:
        intervals = [
            Interval(low=float(low), high=high, steps=levels - 1, times=times)
            for low, (levels, times, high) in options.pop("restart_list").items()
        ]
        return partial(restart, intervals=intervals)
    return partial(SOLVERS[name], **options)
