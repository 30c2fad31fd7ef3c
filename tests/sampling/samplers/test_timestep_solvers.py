"""Solvers that count in training timesteps against A1111's, UniPC's authors' and diffusers', on a known denoiser."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_tcd import TCDScheduler
from torch import Tensor

from modules.sampling.samplers.ddim import ddim
from modules.sampling.samplers.ddim_cfgpp import ddim_cfgpp
from modules.sampling.samplers.plms import plms
from modules.sampling.samplers.tcd import tcd, tcd_schedule
from modules.sampling.samplers.timesteps import (
    NoisePrediction,
    TimestepMethod,
    TimestepOptions,
    TimestepSchedule,
    UniPCOptions,
    uniform_schedule,
)
from modules.sampling.samplers.unipc import unipc
from modules.sampling.samplers.unipc_times import unipc_schedule
from tests.sampling import mixture
from tests.sampling.recordings import alphas_cumprod, array, recorded

METHODS = {
    "ddim": TimestepMethod(solve=ddim, schedule=uniform_schedule),
    "ddim_cfgpp": TimestepMethod(solve=ddim_cfgpp, schedule=uniform_schedule),
    "plms": TimestepMethod(solve=plms, schedule=uniform_schedule),
    "unipc": TimestepMethod(solve=unipc, schedule=unipc_schedule),
    "tcd": TimestepMethod(solve=tcd, schedule=tcd_schedule),
}
DTYPES = {"float64": torch.float64, "float32": torch.float32}
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}
BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
EXACT_TABLE = (1 - BETAS).cumprod(0)
TABLES = {"float64": EXACT_TABLE, "float32": alphas_cumprod("sd")}
LOG_SIGMAS = ((1 - EXACT_TABLE) / EXACT_TABLE).sqrt().log()
NEGATIVE_MEANS = torch.tensor(np.random.RandomState(1234).standard_normal((4, 4, 8, 8))[2:])

every_method = pytest.mark.parametrize("name", METHODS)


def noise_in(x: Tensor, t: Tensor, means: Tensor = mixture.MEANS) -> Tensor:
    """Return the noise that the mixture sees in x [B,4,8,8] at timesteps t [B]."""
    low, high, weight = t.floor().long(), t.ceil().long(), t.frac().double()
    sigma = ((1 - weight) * LOG_SIGMAS[low] + weight * LOG_SIGMAS[high]).exp().to(x.dtype)
    spread = sigma[:, None, None, None]
    noisy = x * (1 + spread**2).sqrt()
    return (noisy - mixture.denoise(noisy, sigma, means)) / spread


class Model:
    """The mixture, with another one for the negative prompt; keeps the timesteps it is asked for."""

    def __init__(self, cfg_scale: float = 1.0) -> None:
        self.calls: list[float] = []
        self._scale = cfg_scale

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        return self.with_unguided(x, t).guided

    def with_unguided(self, x: Tensor, t: Tensor) -> NoisePrediction:
        assert t.shape == x.shape[:1]
        assert t.dtype == x.dtype
        self.calls.append(t[0].item())
        unguided = noise_in(x, t, NEGATIVE_MEANS)
        if self._scale == 1:
            return NoisePrediction(guided=noise_in(x, t), unguided=unguided)
        return NoisePrediction(guided=unguided + (noise_in(x, t) - unguided) * self._scale, unguided=unguided)


class Noise:
    """The noise of the recordings, in order; counts the draws."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._draws = iter(mixture.LATER_NOISE.to(dtype))
        self.drawn = 0

    def next(self) -> Tensor:
        self.drawn += 1
        return next(self._draws)

    def between(self, sigma: Tensor, following: Tensor) -> Tensor:
        raise AssertionError(f"noise was asked for between {sigma} and {following}")


class Run:
    """Runs a solver and keeps what it says on its way."""

    def __init__(
        self,
        name: str,
        timesteps: Tensor,
        options: TimestepOptions | None = None,
        *,
        start: Tensor | None = None,
        table: Tensor = EXACT_TABLE,
        cfg_scale: float = 1.0,
    ) -> None:
        self.steps: list[int] = []
        self.sigmas: list[float] = []
        self.x: list[Tensor] = []
        self.denoised: list[Tensor] = []
        self.model = Model(cfg_scale)
        x = mixture.START_NOISE if start is None else start
        self.noise = Noise(x.dtype)
        options = options or TimestepOptions()
        self.final = METHODS[name].solve(self.model, x, timesteps, table, self.noise, self._on_step, options)

    def _on_step(self, i: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
        self.steps.append(i)
        self.sigmas.append(sigma.item())
        self.x.append(x.clone())
        self.denoised.append(denoised.clone())


def noised_picture(schedule: TimestepSchedule, table: Tensor, dtype: torch.dtype) -> Tensor:
    alpha = table[schedule.noised_at]
    picture, noise = mixture.MEANS[0].to(dtype), mixture.START_NOISE.to(dtype)
    return picture * alpha.sqrt() + noise * (1 - alpha).sqrt()


def numbers(tensor: Tensor) -> list[float]:
    return [value.item() for value in tensor]


def means(tensors: list[Tensor]) -> list[float]:
    return [tensor.double().mean().item() for tensor in tensors]


@pytest.mark.parametrize("case", recorded("timestep_solvers"), ids=lambda case: f"{case['id']} {case['sampler']}")
def test_solves_as_recorded(case: Any) -> None:
    name, dtype, table = case["sampler"], DTYPES[case["dtype"]], TABLES[case["table"]]
    schedule = METHODS[name].schedule(case["steps"], case["t_enc"])
    txt2img = case["t_enc"] is None
    start = mixture.START_NOISE.to(dtype) if txt2img else noised_picture(schedule, table, dtype)
    options = TimestepOptions(**case.get("options", {}), unipc=UniPCOptions(**case.get("unipc", {})))

    run = Run(name, schedule.timesteps, options, start=start, table=table, cfg_scale=case.get("cfg_scale", 1.0))

    tolerance = TOLERANCE[case["dtype"]]
    assert run.final.dtype == dtype
    torch.testing.assert_close(run.final, array("timestep_solvers", case["id"]), rtol=tolerance, atol=tolerance)
    assert run.model.calls == pytest.approx(case["calls"], rel=1e-9 if dtype == torch.float64 else 1e-4)
    assert run.steps == list(range(len(case["x_after_means"])))
    if run.steps:
        assert means([*run.x[1:], run.final]) == pytest.approx(case["x_after_means"], abs=tolerance)
    denoised = run.denoised[1:] if name == "unipc" else run.denoised  # it was recorded where the step ends
    assert means(denoised) == pytest.approx(case["denoised_means"], abs=tolerance)


@pytest.mark.parametrize(
    "case", recorded("timestep_solvers", "authors"), ids=lambda case: " ".join(map(str, case["unipc"].values()))
)
def test_unipc_solves_as_its_authors_implementation(case: Any) -> None:
    timesteps = unipc_schedule(case["steps"], case["t_enc"]).timesteps
    options = TimestepOptions(unipc=UniPCOptions(**case["unipc"]))

    run = Run("unipc", timesteps, options, start=mixture.START_NOISE.float(), table=TABLES["float32"])

    torch.testing.assert_close(run.final, array("timestep_solvers", case["id"]), rtol=2e-5, atol=2e-5)
    assert run.model.calls == pytest.approx(case["calls"], rel=1e-4)


@pytest.mark.parametrize("case", recorded("timestep_solvers", "schedules"), ids=lambda case: case["steps"])
def test_timesteps_are_spaced_as_recorded(case: Any) -> None:
    assert numbers(uniform_schedule(case["steps"]).timesteps) == case["ascending"][::-1]


def test_there_are_no_more_timesteps_than_the_model_was_trained_on() -> None:
    assert numbers(uniform_schedule(1500).timesteps) == [999, *range(999, 0, -1)]


def test_img2img_takes_the_last_timesteps_and_noises_one_higher() -> None:
    assert numbers(uniform_schedule(10, 3).timesteps) == [201, 101, 1]
    assert uniform_schedule(10, 3).noised_at == 301
    assert numbers(uniform_schedule(10, 0).timesteps) == []
    assert uniform_schedule(10, 0).noised_at == 1


def test_unipc_begins_at_full_noise_and_in_img2img_where_ddim_does() -> None:
    assert unipc_schedule(13).timesteps[0] == 999
    assert len(unipc_schedule(13).timesteps) == 15
    assert numbers(unipc_schedule(10, 3).timesteps) == pytest.approx([201, 134, 67, 0])
    assert unipc_schedule(10, 3).noised_at == 301


@pytest.mark.parametrize(
    ("name", "timesteps"),
    [
        ("ddim", []),
        ("ddim", [1]),
        ("ddim_cfgpp", []),
        ("ddim_cfgpp", [1]),
        ("plms", []),
        ("plms", [1]),
        ("unipc", [0.0]),
        ("tcd", [0]),
    ],
)
def test_without_steps_x_stays_as_it_is(name: str, timesteps: list[Any]) -> None:
    run = Run(name, torch.tensor(timesteps, dtype=torch.float32 if name == "unipc" else torch.int64))
    assert run.final.equal(mixture.START_NOISE)
    assert not run.model.calls


@every_method
def test_steps_tell_their_noise_level(name: str) -> None:
    run = Run(name, METHODS[name].schedule(10, 7).timesteps)
    begun = [t for i, t in enumerate(run.model.calls) if name != "plms" or i != 1]  # it calls twice in its first step
    times = torch.tensor(begun, dtype=torch.float64)
    expected = torch.lerp(LOG_SIGMAS[times.floor().long()], LOG_SIGMAS[times.ceil().long()], times.frac()).exp()
    assert run.sigmas == pytest.approx(numbers(expected), rel=1e-2)
    assert run.x[0].equal(mixture.START_NOISE)


@every_method
def test_nothing_is_drawn_without_need(name: str) -> None:
    run = Run(name, METHODS[name].schedule(5, None).timesteps, TimestepOptions(eta=0.0, gamma=0.0))
    assert run.noise.drawn == 0


@pytest.mark.parametrize("name", ["ddim", "ddim_cfgpp"])
def test_eta_adds_noise_in_every_step(name: str) -> None:
    run = Run(name, uniform_schedule(5).timesteps, TimestepOptions(eta=0.5))
    assert run.noise.drawn == 4


@pytest.mark.parametrize("name", ["ddim", "plms", "tcd"])
def test_more_steps_come_closer_to_the_solution(name: str) -> None:
    def solve(steps: int) -> Tensor:
        timesteps = torch.linspace(950, 50, steps + 1).long()
        return Run(name, timesteps, TimestepOptions(gamma=0.0)).final

    exact = solve(450)
    coarse, fine = ((solve(steps) - exact).abs().mean() for steps in (15, 30))
    assert fine < 0.7 * coarse


def test_unipc_comes_closer_to_the_solution_with_more_steps_and_a_higher_order() -> None:
    def solve(steps: int, order: int) -> Tensor:
        options = TimestepOptions(unipc=UniPCOptions(order=order))
        return Run("unipc", torch.linspace(999, 0, steps + 1), options).final

    exact = solve(400, 3)
    coarse, fine, first = ((solve(*choice) - exact).abs().mean() for choice in ((10, 3), (20, 3), (20, 1)))
    assert fine < 0.5 * coarse
    assert fine < 0.9 * first


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("variant", ["bh1", "bh2", "vary_coeff"])
def test_unipc_lowers_its_order_for_few_steps(variant: Any, steps: int) -> None:
    timesteps = torch.linspace(999, 0, steps + 1)
    asked = Run("unipc", timesteps, TimestepOptions(unipc=UniPCOptions(variant=variant, order=5)))
    possible = Run("unipc", timesteps, TimestepOptions(unipc=UniPCOptions(variant=variant, order=steps)))
    assert len(asked.model.calls) == steps
    assert asked.final.equal(possible.final)


def test_one_step_of_unipc_is_one_of_ddim() -> None:
    one = Run("unipc", torch.tensor([999.0, 0.0]))
    torch.testing.assert_close(one.final, Run("ddim", torch.tensor([999, 0])).final, rtol=1e-6, atol=1e-6)


def test_cfgpp_is_ddim_where_both_prompts_agree() -> None:
    class Agreeing(Model):
        def with_unguided(self, x: Tensor, t: Tensor) -> NoisePrediction:
            guided = noise_in(x, t)
            return NoisePrediction(guided=guided, unguided=guided)

    def ignore(_i: int, _sigma: Tensor, _x: Tensor, _denoised: Tensor) -> None:
        """A step hook that does nothing."""

    timesteps, noise = uniform_schedule(8).timesteps, Noise(torch.float64)
    x = mixture.START_NOISE
    found = ddim_cfgpp(Agreeing(), x, timesteps, EXACT_TABLE, noise, ignore, TimestepOptions())
    torch.testing.assert_close(found, Run("ddim", timesteps).final)


@every_method
def test_solvers_leave_what_they_are_given_alone(name: str) -> None:
    class Watching(Model):
        def with_unguided(self, x: Tensor, t: Tensor) -> NoisePrediction:
            prediction = super().with_unguided(x, t)
            given.extend((tensor, tensor.clone()) for tensor in (x, prediction.guided, prediction.unguided))
            return prediction

    def remember(_i: int, _sigma: Tensor, x: Tensor, denoised: Tensor) -> None:
        given.extend((tensor, tensor.clone()) for tensor in (x, denoised))

    given: list[tuple[Tensor, Tensor]] = []
    options = TimestepOptions(eta=0.5)
    timesteps = METHODS[name].schedule(5, None).timesteps
    METHODS[name].solve(
        Watching(), mixture.START_NOISE, timesteps, EXACT_TABLE, Noise(torch.float64), remember, options
    )
    assert given
    assert all(tensor.equal(before) for tensor, before in given)


@every_method
def test_a_picture_does_not_depend_on_its_neighbours(name: str) -> None:
    timesteps = METHODS[name].schedule(6, None).timesteps
    options = TimestepOptions(gamma=0.0)
    both = Run(name, timesteps, options, start=mixture.START_NOISE.float()).final
    one = Run(name, timesteps, options, start=mixture.START_NOISE[1:].float()).final
    assert one.equal(both[1:])


@pytest.fixture
def tcd_scheduler() -> TCDScheduler:
    return TCDScheduler(trained_betas=BETAS.numpy())


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 16, 33, 50])
def test_tcd_visits_the_timesteps_of_diffusers(tcd_scheduler: TCDScheduler, steps: int) -> None:
    tcd_scheduler.set_timesteps(steps)
    assert numbers(tcd_schedule(steps).timesteps) == [*numbers(tcd_scheduler.timesteps), 0]


def test_tcd_has_no_more_steps_than_its_distillation() -> None:
    assert tcd_schedule(80).timesteps.equal(tcd_schedule(50).timesteps)


def test_tcd_noises_pictures_up_to_where_it_begins() -> None:
    assert numbers(tcd_schedule(4, 3).timesteps) == [759, 499, 259, 0]
    assert tcd_schedule(4, 3).noised_at == 759
    assert numbers(tcd_schedule(4, 0).timesteps) == [259, 0]


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 4, 9])
def test_tcd_steps_as_diffusers_does(
    tcd_scheduler: TCDScheduler, monkeypatch: pytest.MonkeyPatch, steps: int, gamma: float
) -> None:
    def draw(*_: object, **__: object) -> Tensor:
        return draws.next()

    draws = Noise(torch.float64)
    monkeypatch.setattr("diffusers.schedulers.scheduling_tcd.randn_tensor", draw)
    tcd_scheduler.set_timesteps(steps)
    x = mixture.START_NOISE
    for t in tcd_scheduler.timesteps:
        stepped: Any = tcd_scheduler.step(noise_in(x, t.double().expand(2)), int(t), x, eta=gamma)
        x: Tensor = stepped.prev_sample

    run = Run("tcd", tcd_schedule(steps).timesteps, TimestepOptions(gamma=gamma), table=tcd_scheduler.alphas_cumprod)

    torch.testing.assert_close(run.final, x, rtol=1e-6, atol=1e-6)
    assert run.noise.drawn == draws.drawn
