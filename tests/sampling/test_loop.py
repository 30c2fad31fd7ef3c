import pytest
import torch
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, Skipped, UnknownName
from modules.sampling.loop import SamplingPlan, StepState, sample
from modules.sampling.noise import ImageNoise
from modules.sampling.prediction import DiscreteNoise
from tests.sampling import mixture
from tests.sampling.recordings import alphas_cumprod

LEVELS = DiscreteNoise(alphas_cumprod("sd"))


class Recorder:
    """A model that counts its calls and a hook that keeps its steps."""

    def __init__(self, token: CancelToken | None = None) -> None:
        self.token = token or CancelToken()
        self.sigmas: list[float] = []
        self.states: list[StepState] = []

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.sigmas.append(sigma[0].item())
        return mixture.denoise(x, sigma)

    def run(self, sampler: str = "Euler", scheduler: str = "Automatic", steps: int = 4) -> Tensor:
        return sample(
            self.denoise,
            SamplingPlan(sampler=sampler, scheduler=scheduler, steps=steps),
            levels=LEVELS,
            noise=ImageNoise([1, 2], (4, 8, 8), torch.device("cpu"), "CPU"),
            on_step=self.on_step,
            token=self.token,
        )

    def on_step(self, state: StepState) -> None:
        self.states.append(state)


def test_starts_from_noise_at_the_highest_level() -> None:
    recorder = Recorder()
    recorder.run()
    first = recorder.states[0]
    noise = ImageNoise([1, 2], (4, 8, 8), torch.device("cpu"), "CPU").first()
    assert first.sigma == pytest.approx(LEVELS.sigma_max)
    assert first.x.equal(noise * first.sigma)


def test_tells_the_hook_each_step() -> None:
    recorder = Recorder()
    final = recorder.run(sampler="Heun", steps=5)
    assert [(state.i, state.steps) for state in recorder.states] == [(i, 5) for i in range(5)]
    assert recorder.states[-1].denoised.equal(final)  # the last step goes all the way


def test_automatic_is_the_samplers_own_schedule() -> None:
    automatic, karras = Recorder(), Recorder()
    automatic.run(sampler="DPM++ 2M")
    karras.run(sampler="DPM++ 2M", scheduler="Karras")
    assert automatic.sigmas == karras.sigmas


def test_stops_before_the_next_model_call() -> None:
    token = CancelToken()
    recorder = Recorder(token)

    def interrupt(state: StepState) -> None:
        if state.i == 1:
            token.interrupt()

    recorder.on_step = interrupt
    with pytest.raises(Interrupted):
        recorder.run(steps=20)
    assert len(recorder.sigmas) == 2


def test_stops_between_the_two_calls_of_a_second_order_step() -> None:
    token = CancelToken()
    recorder = Recorder(token)

    def skip(state: StepState) -> None:
        del state
        token.skip()

    recorder.on_step = skip
    with pytest.raises(Skipped):
        recorder.run(sampler="Heun", steps=20)
    assert len(recorder.sigmas) == 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="Eul"):
        Recorder().run(sampler="Eul")
    with pytest.raises(UnknownName, match="Wavy"):
        Recorder().run(scheduler="Wavy")
