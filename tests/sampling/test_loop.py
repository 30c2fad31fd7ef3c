"""What a run begins with, what model, masks and hook are given on the way, and where it stops."""

from typing import Any

import pytest
import torch
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, Skipped, UnknownName
from modules.sampling.inpainting import HardBlend, LatentBlend
from modules.sampling.loop import Beginning, Run, SamplingPlan, StepHook, StepState, sample
from modules.sampling.noise import ImageNoise
from modules.sampling.prediction import DiscreteNoise
from modules.sampling.samplers.base import SolverOptions
from modules.sampling.samplers.registry import SOLVERS
from modules.sampling.samplers.timesteps import TimestepOptions
from modules.sampling.schedules import ScheduleOptions, make_sigmas
from tests.sampling import mixture
from tests.sampling.recordings import alphas_cumprod

ALPHAS = alphas_cumprod("sd")
LEVELS = DiscreteNoise(ALPHAS)
LATENT = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
ONE_MORE_LEVEL = ScheduleOptions(discard_next_to_last_sigma=True)


def images() -> ImageNoise:
    return ImageNoise([1, 2], (4, 8, 8), torch.device("cpu"), "CPU")


def numbers(values: Tensor) -> list[float]:
    return [value.item() for value in values]


def ignore(_i: int, _sigma: Tensor, _x: Tensor, _denoised: Tensor) -> None:
    """A step hook that does nothing."""


class Recorder:
    """A model and a hook that keep what they are given."""

    def __init__(self) -> None:
        self.token = CancelToken()
        self.x: list[Tensor] = []
        self.sigmas: list[float] = []
        self.timesteps: list[float] = []
        self.returned: list[Tensor] = []
        self.states: list[StepState] = []

    def __call__(self, x: Tensor, sigma: Tensor, t: Tensor | None = None) -> Tensor:
        self.x.append(x)
        self.sigmas.append(sigma[0].item())
        assert numbers(sigma) == self.sigmas[-1:] * len(x)
        if t is not None:
            self.timesteps.append(t[0].item())
            assert numbers(t) == self.timesteps[-1:] * len(x)
        self.returned.append(mixture.denoise(x, sigma))
        return self.returned[-1]

    def with_unguided(self, x: Tensor, sigma: Tensor, t: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self(x, sigma, t), mixture.denoise(x, sigma, -mixture.MEANS)

    def run(
        self,
        sampler: str = "Euler",
        *,
        scheduler: str = "Automatic",
        steps: int = 4,
        levels: DiscreteNoise = LEVELS,
        hook: StepHook | None = None,
        beginning: Beginning | None = None,
        blend: LatentBlend | None = None,
        **plan: Any,
    ) -> Tensor:
        return sample(
            Run(
                denoise=self,
                plan=SamplingPlan(sampler=sampler, scheduler=scheduler, steps=steps, **plan),
                levels=levels,
                noise=images(),
                on_step=hook or self.states.append,
                beginning=beginning,
                blend=blend,
                token=self.token,
            )
        )


class Marks(LatentBlend):
    """Keeps what is to be blended, and marks it."""

    def __init__(self) -> None:
        self.blended: list[Tensor] = []
        self.levels: list[list[float]] = []
        self.finished: list[Tensor] = []

    def __call__(self, latent: Tensor, level: Tensor) -> Tensor:
        self.blended.append(latent)
        self.levels.append(numbers(level))
        return latent + 1

    def final(self, latent: Tensor) -> Tensor:
        self.finished.append(latent)
        return latent - 5


@pytest.mark.parametrize("sgm", [False, True])
def test_starts_from_noise_at_the_highest_level(sgm: bool) -> None:
    recorder = Recorder()
    recorder.run(sgm_noise_multiplier=sgm)
    first = recorder.states[0]
    assert first.sigma == pytest.approx(LEVELS.sigma_max)
    torch.testing.assert_close(first.x, images().first() * (first.sigma**2 + sgm) ** 0.5)


def test_tells_the_hook_each_step() -> None:
    recorder = Recorder()
    final = recorder.run("Heun", steps=5)
    assert [(state.i, state.steps) for state in recorder.states] == [(i, 5) for i in range(5)]
    assert [state.sigma for state in recorder.states] == recorder.sigmas[::2]  # two calls a step
    assert recorder.states[-1].denoised.equal(final)  # the last step goes all the way


def test_automatic_is_the_samplers_own_schedule() -> None:
    automatic, karras = Recorder(), Recorder()
    automatic.run("DPM++ 2M")
    karras.run("DPM++ 2M", scheduler="Karras")
    assert automatic.sigmas == karras.sigmas


def test_options_reach_the_schedule() -> None:
    recorder = Recorder()
    recorder.run(scheduler="Karras", schedule=ScheduleOptions(sigma_max=5.0))
    assert recorder.sigmas[0] == pytest.approx(5.0)


def test_options_reach_the_solvers() -> None:
    torch.testing.assert_close(Recorder().run("Euler a", solver=SolverOptions(eta=0.0)), Recorder().run("Euler"))
    noisy, quiet = (Recorder().run("DDIM", timesteps=TimestepOptions(eta=eta)) for eta in (1.0, 0.0))
    assert not torch.allclose(noisy, quiet, atol=0.1)


@pytest.mark.parametrize(
    ("sampler", "schedule"), [("DPM++ 3M SDE", ScheduleOptions()), ("Euler", ONE_MORE_LEVEL)], ids=["sampler", "option"]
)
def test_the_next_to_last_level_is_left_out_where_that_is_wanted(sampler: str, schedule: ScheduleOptions) -> None:
    recorder = Recorder()
    recorder.run(sampler, scheduler="Exponential", schedule=schedule)
    assert recorder.sigmas == pytest.approx(numbers(make_sigmas("Exponential", 5, LEVELS)[:4]))


def test_levels_that_a_curve_repeats_are_visited_once() -> None:
    ten = DiscreteNoise(ALPHAS[99::100])
    recorder = Recorder()
    recorder.run(scheduler="Simple", steps=20, levels=ten)
    assert recorder.sigmas == pytest.approx(numbers(ten.sigmas.flip(0)))
    assert recorder.states[0].steps == 10

    recorder = Recorder()
    recorder.run(scheduler="Simple", steps=20, levels=ten, beginning=Beginning(latent=LATENT, strength=0.5))
    assert recorder.sigmas == pytest.approx(numbers(ten.sigmas.flip(0)[4:]))


@pytest.mark.parametrize("scheduler", ["Automatic", "Karras"])
def test_samplers_that_choose_their_levels_get_only_the_ends(scheduler: str) -> None:
    result = Recorder().run("DPM fast", scheduler=scheduler, steps=5, schedule=ScheduleOptions(sigma_max=5.0))

    noise, levels = images(), torch.tensor([LEVELS.sigma_max, 9.0, 7.0, 2.0, 1.0, LEVELS.sigma_min])
    start, later = noise.first() * levels[0], noise.over(levels)
    expected = SOLVERS["DPM fast"](mixture.denoise, start, levels, later, ignore, SolverOptions())
    torch.testing.assert_close(result, expected)


def test_brownian_paths_span_the_whole_schedule() -> None:
    beginning = Beginning(latent=LATENT, strength=0.5)
    result = Recorder().run("DPM++ 2M SDE", scheduler="Karras", steps=10, beginning=beginning)

    noise, whole = images(), make_sigmas("Karras", 10, LEVELS)
    start, later = LATENT + noise.first() * whole[4], noise.over(whole)
    assert result.equal(SOLVERS["DPM++ 2M SDE"](mixture.denoise, start, whole[4:], later, ignore, SolverOptions()))


@pytest.mark.parametrize(
    ("strength", "exact", "whole", "calls"),
    [
        (0.5, False, 10, 6),
        (0.75, False, 10, 8),
        (1.0, False, 10, 10),
        (0.0, False, 10, 1),
        (0.5, True, 20, 10),
        (1.0, True, 10, 10),
    ],
)
def test_strength_is_the_part_of_the_levels_that_is_run(strength: float, exact: bool, whole: int, calls: int) -> None:
    recorder = Recorder()
    recorder.run(steps=10, beginning=Beginning(latent=LATENT, strength=strength, exact=exact))
    assert recorder.sigmas == pytest.approx(numbers(make_sigmas("Uniform", whole, LEVELS)[-1 - calls : -1]))
    assert [(state.i, state.steps) for state in recorder.states] == [(i, calls) for i in range(calls)]


@pytest.mark.parametrize("pictures", [1, 2])
def test_a_picture_gets_the_noise_of_the_level_that_its_run_begins_at(pictures: int) -> None:
    recorder, latent = Recorder(), LATENT[:pictures]
    recorder.run(beginning=Beginning(latent=latent, strength=0.5))
    torch.testing.assert_close(recorder.x[0], latent + images().first() * recorder.sigmas[0])

    recorder = Recorder()
    recorder.run(beginning=Beginning(latent=latent, strength=0.5, noise_multiplier=0.8, extra_noise=0.3))
    torch.testing.assert_close(recorder.x[0], latent + 0.8 * images().first() * (recorder.sigmas[0] + 0.3))


@pytest.mark.parametrize("pictures", [1, 2])
def test_for_samplers_of_timesteps_it_is_scaled(pictures: int) -> None:
    recorder, latent, noise = Recorder(), LATENT[:pictures], images().first()
    alpha = ALPHAS[501]  # one timestep of the schedule above that where the run begins
    recorder.run("DDIM", steps=10, beginning=Beginning(latent=latent, strength=0.5))
    assert recorder.timesteps[0] == 401
    torch.testing.assert_close(recorder.states[0].x, latent * alpha.sqrt() + noise * (1 - alpha).sqrt())

    recorder = Recorder()
    beginning = Beginning(latent=latent, strength=0.5, noise_multiplier=0.8, extra_noise=0.3)
    recorder.run("DDIM", steps=10, beginning=beginning)
    added = 0.8 * noise * ((1 - alpha).sqrt() + 0.3 * alpha.sqrt())
    torch.testing.assert_close(recorder.states[0].x, latent * alpha.sqrt() + added)


@pytest.mark.parametrize("sampler", ["Euler", "DPM fast", "DDIM"])
def test_with_exact_steps_a_strength_of_0_leaves_the_picture_as_it_is(sampler: str) -> None:
    recorder = Recorder()
    assert recorder.run(sampler, beginning=Beginning(latent=LATENT, strength=0.0, exact=True)).equal(LATENT)
    assert not recorder.x


@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_a_strength_of_0_makes_one_picture_per_seed(sampler: str) -> None:
    result = Recorder().run(sampler, beginning=Beginning(latent=LATENT[:1], strength=0.0, exact=True))
    assert result.equal(LATENT[:1].expand(2, -1, -1, -1))


def test_for_samplers_of_timesteps_a_strength_of_0_adds_the_least_noise() -> None:
    recorder = Recorder()
    result = recorder.run("DDIM", beginning=Beginning(latent=LATENT, strength=0.0))
    torch.testing.assert_close(result, LATENT * ALPHAS[1].sqrt() + images().first() * (1 - ALPHAS[1]).sqrt())
    assert not recorder.x


@pytest.mark.parametrize(
    ("sampler", "steps", "first", "calls", "hooked"),
    [
        ("DDIM", 8, 876, 7, 7),
        ("DDIM", 15, 991, 15, 15),
        ("DDIM CFG++", 8, 876, 7, 7),
        ("PLMS", 8, 876, 8, 7),  # the first step takes two calls
        ("UniPC", 8, 999, 8, 8),
        ("TCD", 4, 999, 4, 4),
    ],
)
def test_samplers_of_timesteps_start_from_plain_noise(
    sampler: str, steps: int, first: int, calls: int, hooked: int
) -> None:
    recorder = Recorder()
    recorder.run(sampler, steps=steps, sgm_noise_multiplier=True)
    assert recorder.states[0].x.equal(images().first())
    assert recorder.timesteps[0] == pytest.approx(first)
    assert len(recorder.timesteps) == calls
    assert [(state.i, state.steps) for state in recorder.states] == [(i, hooked) for i in range(hooked)]


@pytest.mark.parametrize(
    ("steps", "exact", "discard", "timesteps"),
    [
        (10, False, False, [401, 301, 201, 101]),
        (5, True, False, [301, 201, 101]),
        (9, False, True, [301, 201, 101]),
    ],
)
def test_strength_is_the_part_of_the_timesteps_that_is_run(
    steps: int, exact: bool, discard: bool, timesteps: list[int]
) -> None:
    recorder = Recorder()
    beginning = Beginning(latent=LATENT, strength=0.5, exact=exact)
    recorder.run("DDIM", steps=steps, beginning=beginning, schedule=ONE_MORE_LEVEL if discard else ScheduleOptions())
    assert recorder.timesteps == timesteps


def test_for_samplers_of_timesteps_discarding_a_level_is_one_step_more() -> None:
    nine, ten = Recorder(), Recorder()
    nine.run("DDIM", steps=9, schedule=ONE_MORE_LEVEL)
    ten.run("DDIM", steps=10)
    assert nine.timesteps == ten.timesteps


@pytest.mark.parametrize("sampler", ["DDIM", "UniPC"])
def test_the_model_is_read_at_whole_timesteps(sampler: str) -> None:
    recorder = Recorder()
    recorder.run(sampler, steps=7)

    timesteps = torch.tensor(recorder.timesteps)
    assert bool((timesteps != timesteps.floor()).any()) == (sampler == "UniPC")
    assert recorder.sigmas == numbers(LEVELS.t_to_sigma(timesteps.floor()))
    torch.testing.assert_close(recorder.x[0], images().first() * (1 + recorder.sigmas[0] ** 2) ** 0.5)


def test_the_noise_is_what_the_model_takes_away() -> None:
    recorder = Recorder()
    recorder.run("DDIM")
    for state, denoised in zip(recorder.states, recorder.returned, strict=True):
        torch.testing.assert_close(state.denoised, denoised, rtol=1e-4, atol=1e-4)


def test_samplers_may_ask_for_the_noise_without_guidance() -> None:
    recorder = Recorder()
    recorder.run("DDIM CFG++")
    sigma = torch.tensor(recorder.sigmas[:1] * 2)
    unguided = mixture.denoise(recorder.x[0], sigma, -mixture.MEANS)
    expected = torch.lerp(unguided, recorder.returned[0], 1 / 12.5)
    torch.testing.assert_close(recorder.states[0].denoised, expected, rtol=1e-4, atol=1e-4)


def test_masks_blend_what_the_model_returns() -> None:
    recorder, marks = Recorder(), Marks()
    recorder.run(blend=marks)
    assert recorder.x[0].equal(recorder.states[0].x)
    for blended, returned, state in zip(marks.blended, recorder.returned, recorder.states, strict=True):
        assert blended is returned
        assert state.denoised.equal(returned + 1)
    assert marks.levels == [[sigma, sigma] for sigma in recorder.sigmas]


@pytest.mark.parametrize("sampler", ["DDIM", "DDIM CFG++"])
def test_for_samplers_of_timesteps_masks_blend_what_the_model_is_given(sampler: str) -> None:
    recorder, marks = Recorder(), Marks()
    recorder.run(sampler, blend=marks)
    assert [blended.equal(state.x) for blended, state in zip(marks.blended, recorder.states, strict=True)] == [True] * 3
    for blended, x, sigma in zip(marks.blended, recorder.x, recorder.sigmas, strict=True):
        torch.testing.assert_close(x, (blended + 1) * (1 + sigma**2) ** 0.5)
    assert marks.levels == [[timestep, timestep] for timestep in recorder.timesteps]


@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_finished_latents_are_blended_once_more(sampler: str) -> None:
    marks = Marks()
    result = Recorder().run(sampler, blend=marks)
    assert len(marks.finished) == 1
    assert result.equal(marks.finished[0] - 5)


@pytest.mark.parametrize("sampler", ["Euler", "DPM fast", "DDIM"])
def test_what_a_mask_keeps_is_the_original_to_the_last_bit(sampler: str) -> None:
    repaint = torch.zeros(1, 1, 8, 8)
    repaint[..., 4:] = 1
    beginning, blend = Beginning(latent=LATENT, strength=0.8), HardBlend(original=LATENT, repaint=repaint)
    result = Recorder().run(sampler, beginning=beginning, blend=blend)
    assert result[..., :4].equal(LATENT[..., :4])
    assert not torch.isclose(result[..., 4:], LATENT[..., 4:]).any()


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "DDIM CFG++"])
def test_stops_before_the_next_model_call(sampler: str) -> None:
    recorder = Recorder()

    def interrupt(state: StepState) -> None:
        if state.i == 1:
            recorder.token.interrupt()

    with pytest.raises(Interrupted):
        recorder.run(sampler, steps=20, hook=interrupt)
    assert len(recorder.x) == 2


@pytest.mark.parametrize("sampler", ["Heun", "PLMS"])
def test_stops_between_the_two_calls_of_one_step(sampler: str) -> None:
    class Skipping(Recorder):
        def __call__(self, x: Tensor, sigma: Tensor, t: Tensor | None = None) -> Tensor:
            self.token.skip()
            return super().__call__(x, sigma, t)

    recorder = Skipping()
    with pytest.raises(Skipped):
        recorder.run(sampler, steps=20)
    assert len(recorder.x) == 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="Eul"):
        Recorder().run("Eul")
    with pytest.raises(UnknownName, match="Wavy"):
        Recorder().run(scheduler="Wavy")
