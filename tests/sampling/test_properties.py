"""A batch of n pictures is n single runs, to the last bit: no picture depends on its neighbours.

The network here computes each value of a latent apart from all others. With a real one sums are rounded otherwise where
a matrix has more rows; see the pipeline's properties for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from modules.conditioning.conditioning import Conditioning, stack
from modules.core.cancellation import CancelToken
from modules.core.parameters import MAX_SEED
from modules.core.samplers import SAMPLERS, SCHEDULERS
from modules.sampling.denoiser import GuidanceOptions, GuidedDenoiser, Network, Told, WeightedPrompt
from modules.sampling.inpainting import HardBlend, LatentBlend, SoftBlend
from modules.sampling.loop import Beginning, Run, SamplingPlan, sample
from modules.sampling.noise import ImageNoise, RandnSource, Variation
from modules.sampling.prediction import DiscreteNoise, Epsilon
from modules.sampling.samplers.base import SolverOptions
from modules.sampling.samplers.timesteps import TimestepOptions
from modules.sampling.timeline import Timeline
from tests.properties import examples
from tests.sampling.recordings import alphas_cumprod

LEVELS = DiscreteNoise(alphas_cumprod("sd"))
SHAPE = (4, 6, 5)
CPU = torch.device("cpu")
ORIGINAL = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(1))
REPAINT = torch.linspace(0, 1, 30).reshape(1, 1, 6, 5)

STEPS_BY_ERROR = "DPM adaptive"
"""Takes steps as long as the error of the whole batch allows, as in k-diffusion: its pictures do depend on others."""

LABELS = [info.name for info in SAMPLERS if info.name != STEPS_BY_ERROR]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for.

    Attributes:
        seeds: of each picture.
        subseeds: variation seed of each picture.
        strength: of the variation.
        weights: of the parts of each picture's prompt.
    """

    seeds: Sequence[int]
    subseeds: Sequence[int]
    strength: float
    source: RandnSource
    ensd: int
    resized_from: tuple[int, int] | None
    scheduler: str
    steps: int
    eta: float
    solver: SolverOptions
    beginning: Beginning | None
    blend: LatentBlend | None
    weights: Sequence[float]
    guidance: dict[str, Any]

    def of_picture(self, number: int) -> "Wish":
        """Return what is asked for one picture alone."""
        return replace(self, seeds=self.seeds[number : number + 1], subseeds=self.subseeds[number : number + 1])


beginnings = st.builds(
    Beginning,
    latent=st.just(ORIGINAL),
    strength=st.sampled_from([0.0, 0.3, 0.75, 1.0]),
    exact=st.booleans(),
    noise_multiplier=st.sampled_from([1.0, 0.9]),
    extra_noise=st.sampled_from([0.0, 0.2]),
)
blends: st.SearchStrategy[LatentBlend] = st.sampled_from(
    [
        HardBlend(original=ORIGINAL, repaint=REPAINT.round()),
        SoftBlend(original=ORIGINAL, repaint=REPAINT, schedule_bias=1.0, preservation_strength=0.5, contrast_boost=4.0),
    ]
)
solver_options = st.builds(
    SolverOptions,
    eta=st.sampled_from([1.0, 0.0, 0.6]),
    s_churn=st.sampled_from([0.0, 3.0]),
    s_noise=st.sampled_from([1.0, 1.05]),
)


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Draw two or three pictures; with a variation all have one seed, and the variation seeds count up."""
    count = draw(st.integers(2, 3))
    seed, subseed = draw(st.tuples(*[st.integers(-MAX_SEED, MAX_SEED)] * 2))
    strength = draw(st.sampled_from([0.0, 0.3, 1.0]))
    beginning = draw(st.none() | beginnings)
    return Wish(
        seeds=[seed if strength else seed + number for number in range(count)],
        subseeds=range(subseed, subseed + count),
        strength=strength,
        source=draw(st.sampled_from(["CPU", "GPU", "NV"])),
        ensd=draw(st.sampled_from([0, 31337])),
        resized_from=draw(st.sampled_from([None, (4, 4), (8, 3), (9, 8)])),
        scheduler=draw(st.sampled_from([info.label for info in SCHEDULERS])),
        steps=draw(st.sampled_from([1, 2, 3, 5, 20])),
        eta=draw(st.sampled_from([0.0, 0.7, 1.0])),
        solver=draw(solver_options),
        beginning=beginning,
        blend=draw(st.none() | blends) if beginning else None,
        weights=draw(st.sampled_from([[1.0], [1.0, -0.5, 0.7]])),
        guidance=draw(
            st.sampled_from([{}, {"cfg_scale": 1.0}, {"minimum_sigma": 3.0}, {"skip_early": 0.4}, {"together": False}])
        ),
    )


def said(value: float) -> Timeline[Conditioning]:
    """Return one text for the first two calls, and another one for all others."""
    texts = tuple(Conditioning(cross_attention=torch.full((1, 77, 4), number)) for number in (value, -2 * value))
    return Timeline(ends=(2, 1000), values=texts)


def predict(x: Tensor, t: Tensor, told: Conditioning) -> Tensor:
    """Guess the noise in x, value by value."""
    shift = told.cross_attention[:, :1, :1, None] * (t[:, None, None, None] / 999)
    return x * 0.9 + shift


def made(label: str, wish: Wish) -> Tensor:
    """Return the latents [B,4,6,5] of a run. Each picture is told something of its own, in as many parts."""
    told = Told(
        prompts=[
            [WeightedPrompt(weight=weight, timeline=said(subseed % 3 - weight)) for weight in wish.weights]
            for subseed in wish.subseeds
        ],
        negatives=[said(-0.3)] * len(wish.seeds),
        stack=stack,
    )
    guidance: dict[str, Any] = {"cfg_scale": 5.0, "total_calls": wish.steps} | wish.guidance
    return sample(
        Run(
            denoise=GuidedDenoiser(
                Network(predict=predict, prediction=Epsilon(), noise=LEVELS), told, GuidanceOptions(**guidance)
            ),
            plan=SamplingPlan(
                sampler=label,
                scheduler=wish.scheduler,
                steps=wish.steps,
                solver=wish.solver,
                timesteps=TimestepOptions(eta=wish.eta),
            ),
            levels=LEVELS,
            noise=ImageNoise(
                wish.seeds,
                SHAPE,
                CPU,
                wish.source,
                ensd=wish.ensd,
                variation=Variation(seeds=wish.subseeds, strength=wish.strength),
                resized_from=wish.resized_from,
            ),
            on_step=lambda _state: None,
            beginning=wish.beginning,
            blend=wish.blend,
            token=CancelToken(),
        )
    )


@pytest.mark.parametrize("label", LABELS)
@given(wishes())
@examples(12)
def test_a_batch_equals_single_runs(label: str, wish: Wish) -> None:
    batch = made(label, wish)
    assert batch.isfinite().all()
    for number in range(len(wish.seeds)):
        assert batch[number : number + 1].equal(made(label, wish.of_picture(number)))
