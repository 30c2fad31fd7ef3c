"""Schedule, noise, guidance and solver together, against runs of A1111 on a network that is known exactly."""

from typing import Any

import pytest
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning, stack_texts
from modules.core.cancellation import CancelToken
from modules.sampling.denoiser import GuidedDenoiser
from modules.sampling.loop import SamplingPlan, StepState, sample
from modules.sampling.noise import ImageNoise
from modules.sampling.prediction import DiscreteNoise, Epsilon, Velocity
from tests.sampling.mixture import Network
from tests.sampling.recordings import alphas_cumprod, array, recorded

WORDS = {"hot": 0.8, "cold": -0.8, "cat": 0.3, "dog": -0.4, "big": 1.5, "bad": -0.2}


def encoded(text: str) -> Tensor:
    """Return the recording's stand-in for a text encoder's output: [77·n,4], n = 2 if the word LONG occurs."""
    words = text.split()
    return torch.full((154 if "LONG" in words else 77, 4), sum(WORDS.get(word, 0) for word in words))


def conditioning(texts: list[str]) -> Conditioning:
    return Conditioning(cross_attention=stack_texts([encoded(text) for text in texts]))


@pytest.mark.parametrize("case", recorded("runs"), ids=lambda case: f"{case['id']} {case['sampler']}")
def test_runs_as_recorded(case: Any) -> None:
    network = Network(case["table"], velocity=case["prediction"] == "v")
    levels = DiscreteNoise(alphas_cumprod(case["table"]))
    prompts: list[str] = case["prompts"]
    states: list[StepState] = []
    denoiser = GuidedDenoiser(
        lambda x, t, prompt: network(x, t, prompt.cross_attention),
        prediction=Velocity() if case["prediction"] == "v" else Epsilon(),
        noise=levels,
        cond=conditioning(prompts),
        uncond=conditioning([case["negative"]] * len(prompts)),
        cfg_scale=case["cfg_scale"],
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
