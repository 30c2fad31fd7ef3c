"""Schedule, noise, guidance, masks and solver together, against runs of A1111 on a network that is known exactly."""

from typing import Any

import pytest
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning, stack
from modules.conditioning.padding import like_the_prompt, with_empty_chunks
from modules.core.cancellation import CancelToken
from modules.core.samplers import find_sampler, split_combined_name
from modules.prompting.composition import split_composition
from modules.prompting.schedule import prompt_schedule
from modules.sampling.denoiser import GuidanceOptions, GuidedDenoiser, Network, Told, WeightedPrompt
from modules.sampling.inpainting import HardBlend
from modules.sampling.loop import Beginning, Run, SamplingPlan, StepState, sample
from modules.sampling.noise import ImageNoise, Variation
from modules.sampling.prediction import Consistency, ConsistencyNoise, Epsilon, Velocity, noise_levels
from modules.sampling.samplers.base import SolverOptions
from modules.sampling.samplers.timesteps import TimestepOptions
from modules.sampling.timeline import Timeline
from tests.sampling import mixture
from tests.sampling.recordings import alphas_cumprod, array, recorded

WORDS = {"hot": 0.8, "cold": -0.8, "cat": 0.3, "dog": -0.4, "big": 1.5, "bad": -0.2}
EMPTY = Conditioning(cross_attention=torch.zeros(1, 77, 4))


def encoded(text: str) -> Conditioning:
    """Return the recording's stand-in for a text encoder's output: [1,77·n,4], n = 2 if the word LONG occurs."""
    words = text.replace(",", " ").split()
    value = sum(WORDS.get(word, 0) for word in words)
    return Conditioning(cross_attention=torch.full((1, 154 if "LONG" in words else 77, 4), value))


def timeline(text: str, calls: int) -> Timeline[Conditioning]:
    stages = prompt_schedule(text, calls)
    texts = {stage.text: encoded(stage.text) for stage in stages}
    return Timeline(ends=tuple(stage.until for stage in stages), values=tuple(texts[stage.text] for stage in stages))


def told(case: Any, calls: int) -> Told[Conditioning]:
    options = case.get("opts", {})
    equalise = with_empty_chunks(EMPTY) if options.get("pad_cond_uncond") else None
    return Told(
        prompts=[
            [
                WeightedPrompt(weight=part.weight, timeline=timeline(part.text, calls))
                for part in split_composition(prompt)
            ]
            for prompt in case["prompts"]
        ],
        negatives=[timeline(case["negative"], calls)] * len(case["prompts"]),
        stack=stack,
        equalise=like_the_prompt if options.get("pad_cond_uncond_v0") else equalise,
    )


def noise_of(case: Any) -> ImageNoise:
    options = case.get("opts", {})
    subseeds, strength = case.get("subseeds"), case.get("subseed_strength", 0)
    return ImageNoise(
        case["seeds"],
        (4, 8, 8),
        torch.device("cpu"),
        options.get("randn_source", "CPU"),
        ensd=options.get("eta_noise_seed_delta", 0),
        variation=Variation(seeds=subseeds, strength=strength) if subseeds else None,
    )


def plan_of(case: Any) -> SamplingPlan:
    options = case.get("opts", {})
    # A1111 1.8 meant the uniform schedule by a bare name, but for Restart, which had no other
    sampler, scheduler = split_combined_name(case["sampler"])
    if scheduler == "Automatic" and sampler != "Restart":
        scheduler = "Uniform"
    eta = case.get("eta")
    return SamplingPlan(
        sampler=sampler,
        scheduler=scheduler,
        steps=case.get("steps_override") or case["steps"],
        solver=SolverOptions(
            eta=options.get("eta_ancestral", 1.0) if eta is None else eta,
            s_churn=options.get("s_churn", 0.0),
            s_tmin=options.get("s_tmin", 0.0),
            s_tmax=options.get("s_tmax", 0.0),  # the recording took 0 literally
            s_noise=options.get("s_noise", 1.0),
        ),
        timesteps=TimestepOptions(eta=options.get("eta_ddim", 0.0) if eta is None else eta),
        sgm_noise_multiplier=options.get("sgm_noise_multiplier", False),
    )


def beginning_of(case: Any) -> Beginning | None:
    if case["kind"] == "txt2img":
        return None
    options = case.get("opts", {})
    return Beginning(
        latent=array("runs", "init_latent")[None].float(),
        strength=case.get("denoising_strength", 0.0),
        exact="steps_override" in case or options.get("img2img_fix_steps", False),
        extra_noise=options.get("img2img_extra_noise", 0.0),
    )


@pytest.mark.parametrize("case", recorded("runs"), ids=lambda case: f"{case['id']} {case['sampler']}")
def test_runs_as_recorded(case: Any) -> None:
    plan, info = plan_of(case), find_sampler(plan_of(case).sampler)
    table, half_precision = case["alphas_cumprod"].removesuffix("_fp16_downcast"), "fp16" in case["alphas_cumprod"]
    levels = noise_levels(alphas_cumprod(table), half_precision=half_precision, consistency=info.consistency)
    network = mixture.Network(table, velocity=case["parameterization"] == "v", half_precision=half_precision)
    prediction = Velocity() if case["parameterization"] == "v" else Epsilon()
    if isinstance(levels, ConsistencyNoise):
        prediction = Consistency(prediction, levels)
    calls = case["steps"] * info.calls_per_step

    def predict(x: Tensor, t: Tensor, said: Conditioning) -> Tensor:
        return network(x, t, said.cross_attention)

    denoiser = GuidedDenoiser(
        Network(predict=predict, prediction=prediction, noise=levels),
        told(case, calls),
        GuidanceOptions(
            cfg_scale=case.get("cfg_scale", 0.0),
            minimum_sigma=case.get("s_min_uncond", 0.0),
            together=case.get("opts", {}).get("batch_cond_uncond", True),
            total_calls=calls,
        ),
    )
    beginning, states = beginning_of(case), list[StepState]()
    repaint = array("runs", "repaint")[None].float() if case.get("mask") else None
    latents = sample(
        Run(
            denoise=denoiser,
            plan=plan,
            levels=levels,
            noise=noise_of(case),
            on_step=states.append,
            beginning=beginning,
            blend=HardBlend(original=beginning.latent, repaint=repaint) if beginning and repaint is not None else None,
            token=CancelToken(),
        )
    )

    assert latents.dtype == torch.float32
    # What a Brownian path holds depends on how the levels are rounded; UniPC solves small systems of equations.
    rounding = 1e-5 if info.brownian_noise or info.name == "UniPC" else 1e-6
    expected = array("runs", case["id"])
    right = torch.isclose(latents, expected, rtol=1e-5, atol=2 * rounding * (10 + case["sensitivity"]))
    assert right.float().mean() > 0.995  # of two normal distributions, rounding may decide which one a value belongs to
    asked = [timestep for timestep, _ in network.calls]
    assert asked[0] == pytest.approx(case["timesteps"][0], abs=2e-3)
    assert asked[-1] == pytest.approx(case["timesteps"][-1], abs=2e-3)
    assert states
