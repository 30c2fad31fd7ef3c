"""Schedule, noise, guidance and solver together, against runs of A1111 on a network that is known exactly."""

from typing import Any

import pytest
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning, stack_texts
from modules.core.cancellation import CancelToken
from modules.core.samplers import find_sampler
from modules.prompting.schedule import prompt_schedule
from modules.sampling.denoiser import GuidedDenoiser, ScheduledDenoiser
from modules.sampling.loop import SamplingPlan, StepState, sample
from modules.sampling.noise import ImageNoise
from modules.sampling.prediction import DiscreteNoise, Epsilon, Velocity
from modules.sampling.timeline import Timeline
from tests.sampling.mixture import Network
from tests.sampling.recordings import alphas_cumprod, array, recorded

WORDS = {"hot": 0.8, "cold": -0.8, "cat": 0.3, "dog": -0.4, "big": 1.5, "bad": -0.2}


def encoded(text: str) -> Tensor:
    """Return the recording's stand-in for a text encoder's output: [77·n,4], n = 2 if the word LONG occurs."""
    words = text.split()
    return torch.full((154 if "LONG" in words else 77, 4), sum(WORDS.get(word, 0) for word in words))


def conditioning(prompts: list[str], calls: int) -> Timeline[Conditioning]:
    """Return what the prompts of a batch say at each call."""
    schedules = [prompt_schedule(prompt, calls) for prompt in prompts]
    texts = [
        Timeline(ends=tuple(stage.until for stage in stages), values=tuple(stage.text for stage in stages))
        for stages in schedules
    ]
    said = [stack_texts([encoded(text.at(call)) for text in texts]) for call in range(calls)]
    return Timeline(ends=tuple(range(calls)), values=tuple(Conditioning(cross_attention=told) for told in said))


@pytest.mark.parametrize("case", recorded("runs"), ids=lambda case: f"{case['id']} {case['sampler']}")
def test_runs_as_recorded(case: Any) -> None:
    network = Network(case["table"], velocity=case["prediction"] == "v")
    levels = DiscreteNoise(alphas_cumprod(case["table"]))
    prompts: list[str] = case["prompts"]
    states: list[StepState] = []
    calls = case["steps"] * (2 if find_sampler(case["sampler"]).second_order else 1)
    denoiser = ScheduledDenoiser(
        lambda cond, uncond: GuidedDenoiser(
            lambda x, t, prompt: network(x, t, prompt.cross_attention),
            prediction=Velocity() if case["prediction"] == "v" else Epsilon(),
            noise=levels,
            cond=cond,
            uncond=uncond,
            cfg_scale=case["cfg_scale"],
        ),
        cond=conditioning(prompts, calls),
        uncond=conditioning([case["negative"]] * len(prompts), calls),
    )

    latents = sample(
        denoiser,
        SamplingPlan(sampler=case["sampler"], scheduler=case["scheduler"], steps=case["steps"], eta=case["eta"]),
        levels=levels,
        noise=ImageNoise(case["seeds"], (4, 8, 8), torch.device("cpu"), "CPU", case["ensd"]),
        on_step=states.append,
        token=CancelToken(),
    )

    expected = array("runs", case["id"])
    assert latents.dtype == torch.float32
    torch.testing.assert_close(latents, expected, rtol=0, atol=1e-6 * (10 + case["sensitivity"]))
    assert [state.i for state in states] == list(range(case["steps"]))
    together = len(prompts) if case["cfg_scale"] == 1 else 2 * len(prompts)
    assert {batch for _, batch in network.calls} == {together}
    timesteps = case["timesteps"][:: len(case["timesteps"]) // len(network.calls)]  # A1111 splits unequal lengths
    assert [t for t, _ in network.calls] == pytest.approx(timesteps, abs=2e-3)
