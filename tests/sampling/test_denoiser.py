"""What is asked of the network at each call, and what is made of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from modules.conditioning.conditioning import Conditioning, stack
from modules.conditioning.padding import with_empty_chunks
from modules.sampling.denoiser import GuidanceOptions, GuidedDenoiser, Network, Refinement, Told, WeightedPrompt
from modules.sampling.prediction import DiscreteNoise, Epsilon
from modules.sampling.timeline import Timeline
from tests.sampling.recordings import alphas_cumprod

NOISE = DiscreteNoise(alphas_cumprod("sd").double())
X = torch.randn(2, 4, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SIGMA = torch.tensor([14.0, 0.3], dtype=torch.float64)

Parts = Sequence[tuple[float, Conditioning]]
"""A prompt: the weight of each of its parts, and what it says."""


@dataclass
class AttendingNetwork:
    """Lets every latent position attend to the tokens, as a UNet does; keeps what it is asked."""

    asked: list[Conditioning] = field(default_factory=list[Conditioning])
    timesteps: list[Tensor] = field(default_factory=list[Tensor])

    def __call__(self, x: Tensor, t: Tensor, said: Conditioning) -> Tensor:
        tokens = said.cross_attention
        assert x.shape[0] == t.shape[0] == tokens.shape[0]
        self.asked.append(said)
        self.timesteps.append(t)
        positions = (x if said.concat is None else x + said.concat).flatten(2).mT
        attended = scaled_dot_product_attention(positions, tokens, tokens.flip(2)) * (1 + t[:, None, None] / 999)
        return attended.mT.reshape(x.shape)

    @property
    def calls(self) -> list[tuple[int, int]]:
        """How many pictures and how many tokens each call had."""
        return [(len(said.cross_attention), said.cross_attention.shape[1]) for said in self.asked]


def numbers(values: Tensor) -> list[float]:
    return [value.item() for value in values]


def text(seed: int, chunks: int = 1) -> Conditioning:
    """What one picture is told, something else for each seed."""
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(cross_attention=torch.randn(1, 77 * chunks, 4, generator=generator, dtype=torch.float64))


def followed_by(said: Conditioning, tokens: Tensor) -> Conditioning:
    return replace(said, cross_attention=torch.cat((said.cross_attention, tokens), dim=1))


def filled(said: Conditioning, chunks: int) -> Conditioning:
    """Repeat the last vector for so many chunks."""
    return followed_by(said, said.cross_attention[:, -1:].expand(-1, 77 * chunks, -1))


PROMPTS: Sequence[Parts] = [[(1.0, text(1))], [(1.0, text(2))]]
NEGATIVES = [text(3), text(4)]
COMPOSED: Sequence[Parts] = [[(1.0, text(1)), (-0.5, text(5)), (0.7, text(6))], [(2.0, text(2))]]
EMPTY = text(99)


def always(said: Conditioning) -> Timeline[Conditioning]:
    return Timeline(ends=(1000,), values=(said,))


def told(prompts: Sequence[Parts], negatives: Sequence[Conditioning]) -> Told[Conditioning]:
    return Told(
        prompts=[[WeightedPrompt(weight=weight, timeline=always(said)) for weight, said in parts] for parts in prompts],
        negatives=[always(said) for said in negatives],
        stack=stack,
    )


def network_of(predict: AttendingNetwork) -> Network[Conditioning]:
    return Network(predict=predict, prediction=Epsilon(), noise=NOISE)


def guided_by(
    network: AttendingNetwork,
    said: Told[Conditioning],
    *,
    refinement: Refinement[Conditioning] | None = None,
    **options: Any,
) -> GuidedDenoiser[Conditioning]:
    options.setdefault("cfg_scale", 7.0)
    return GuidedDenoiser(network_of(network), said, GuidanceOptions(**options), refinement)


def denoised(picture: int, said: Conditioning) -> Tensor:
    """What the network makes of one of the two pictures [1,4,6,5], as the papers write it."""
    x, sigma = X[picture, None], SIGMA[picture, None]
    scaled = x / (sigma**2 + 1).sqrt()
    return x - sigma * AttendingNetwork()(scaled, NOISE.sigma_to_t(sigma), said)


def by_hand(prompts: Sequence[Parts], negatives: Sequence[Conditioning], scale: float) -> Tensor:
    """Guidance as the papers write it, one call after the other."""
    pictures: list[Tensor] = []
    for picture, (parts, negative) in enumerate(zip(prompts, negatives, strict=True)):
        uncond = denoised(picture, negative)
        pulls = [weight * scale * (denoised(picture, said) - uncond) for weight, said in parts]
        pictures.append(sum(pulls, uncond))
    return torch.cat(pictures)


@pytest.mark.parametrize("scale", [0.0, 1.0, 7.0])
@pytest.mark.parametrize(
    ("chunks", "negative_chunks", "calls"),
    [
        (1, 1, [(4, 77)]),
        (1, 2, [(4, 154)]),
        (3, 2, [(4, 462)]),
        (9, 9, [(4, 77 * 9)]),
        (5, 2, [(2, 77 * 5), (2, 77 * 2)]),
    ],
)
def test_guidance_of_any_two_lengths(
    scale: float, chunks: int, negative_chunks: int, calls: list[tuple[int, int]]
) -> None:
    network = AttendingNetwork()
    prompts: Sequence[Parts] = [[(1.0, text(1, chunks))], [(1.0, text(2, chunks))]]
    negatives = [text(3, negative_chunks), text(4, negative_chunks)]

    result = guided_by(network, told(prompts, negatives), cfg_scale=scale)(X, SIGMA)

    torch.testing.assert_close(result, by_hand(prompts, negatives, scale))
    assert network.calls == ([(2, 77 * chunks)] if scale == 1 else calls)


def test_prompts_come_first() -> None:
    network = AttendingNetwork()
    guided_by(network, told(COMPOSED, NEGATIVES))(X, SIGMA)
    texts = [said.cross_attention for parts in COMPOSED for _, said in parts]
    assert network.asked[0].cross_attention.equal(torch.cat([*texts, *(said.cross_attention for said in NEGATIVES)]))


def test_one_call_each_where_that_is_wanted() -> None:
    network = AttendingNetwork()
    result = guided_by(network, told(PROMPTS, NEGATIVES), together=False)(X, SIGMA)
    torch.testing.assert_close(result, by_hand(PROMPTS, NEGATIVES, 7.0))
    assert network.calls == [(2, 77), (2, 77)]


@pytest.mark.parametrize("scale", [1.0, 7.0])
def test_parts_of_prompts_count_by_their_weights(scale: float) -> None:
    network = AttendingNetwork()
    result = guided_by(network, told(COMPOSED, NEGATIVES), cfg_scale=scale)(X, SIGMA)
    torch.testing.assert_close(result, by_hand(COMPOSED, NEGATIVES, scale))
    assert network.calls == [(6, 77)]


def test_shorter_prompts_of_a_batch_are_filled_up_with_their_last_vector() -> None:
    network = AttendingNetwork()
    short, middle, long = text(1), text(2, 2), text(5, 3)

    result = guided_by(network, told([[(1.0, short), (0.5, middle)], [(1.0, long)]], NEGATIVES))(X, SIGMA)

    equal: Sequence[Parts] = [[(1.0, filled(short, 2)), (0.5, filled(middle, 1))], [(1.0, long)]]
    torch.testing.assert_close(result, by_hand(equal, NEGATIVES, 7.0))
    assert network.calls == [(5, 231)]


def test_a_scale_of_1_leaves_out_negatives_that_have_no_influence() -> None:
    for weights, pictures in [((1.0,), 1), ((0.5,), 2), ((1.0, 1.0), 3)]:
        network = AttendingNetwork()
        prompts: Sequence[Parts] = [[(weight, text(seed)) for seed, weight in enumerate(weights)]]

        result = guided_by(network, told(prompts, NEGATIVES[:1]), cfg_scale=1.0)(X[:1], SIGMA[:1])

        torch.testing.assert_close(result, by_hand(prompts, NEGATIVES[:1], 1.0))
        assert network.calls == [(pictures, 77)]


def test_a_scale_of_1_leaves_negatives_out_whatever_the_minimum_sigma() -> None:
    network = AttendingNetwork()
    guided = guided_by(network, told(PROMPTS, NEGATIVES), cfg_scale=1.0, minimum_sigma=1.0)
    for _ in range(3):
        guided(X, SIGMA)
    assert network.calls == [(2, 77)] * 3


@pytest.mark.parametrize(("always_so", "pictures"), [(False, [2, 2, 2, 1, 2, 1]), (True, [2, 2, 1, 1, 1, 1])])
def test_negatives_are_left_out_below_the_minimum_sigma(always_so: bool, pictures: list[int]) -> None:
    network = AttendingNetwork()
    said = told(PROMPTS[:1], NEGATIVES[:1])
    guided = guided_by(network, said, minimum_sigma=1.0, minimum_sigma_always=always_so)
    for level in (5.0, 1.0, 0.9, 0.9, 0.1, 0.1):
        guided(X[:1], torch.tensor([level], dtype=torch.float64))
    assert [count for count, _ in network.calls] == pictures


def test_the_minimum_sigma_counts_as_the_sampler_does() -> None:
    """A1111 compares it with the timestep where a sampler walks over timesteps, so that it seldom has an effect."""
    network = AttendingNetwork()
    guided = guided_by(network, told(PROMPTS, NEGATIVES), minimum_sigma=20.0, minimum_sigma_always=True)
    for timestep in (50.0, 11.0):
        guided(X, SIGMA, torch.full((2,), timestep, dtype=torch.float64))
    assert network.calls == [(4, 77), (2, 77)]


@pytest.mark.parametrize(("part", "pictures"), [(0.2, [1, 1, 1, 2, 2]), (0.0, [2, 2, 2, 2, 2])])
def test_negatives_are_left_out_early(part: float, pictures: list[int]) -> None:
    network = AttendingNetwork()
    guided = guided_by(network, told(PROMPTS[:1], NEGATIVES[:1]), skip_early=part, total_calls=10)
    for _ in pictures:
        guided(X[:1], SIGMA[:1])
    assert [count for count, _ in network.calls] == pictures


def test_the_first_part_stands_for_a_negative_prompt_that_is_left_out() -> None:
    for prompts in (PROMPTS, COMPOSED):
        result = guided_by(AttendingNetwork(), told(prompts, NEGATIVES), skip_early=1.0)(X, SIGMA)
        torch.testing.assert_close(result, by_hand(prompts, [parts[0][1] for parts in prompts], 7.0))


@pytest.mark.parametrize(
    "options",
    [{}, {"cfg_scale": 1.0}, {"skip_early": 1.0}, {"minimum_sigma": 20.0, "minimum_sigma_always": True}],
    ids=str,
)
@pytest.mark.parametrize("prompts", [PROMPTS, COMPOSED], ids=["one part", "parts"])
def test_what_negatives_alone_say_can_always_be_asked(prompts: Sequence[Parts], options: dict[str, Any]) -> None:
    guided = guided_by(AttendingNetwork(), told(prompts, NEGATIVES), **options)

    result, unguided = guided.with_unguided(X, SIGMA)

    torch.testing.assert_close(result, by_hand(prompts, NEGATIVES, options.get("cfg_scale", 7.0)))
    torch.testing.assert_close(unguided, torch.cat([denoised(n, said) for n, said in enumerate(NEGATIVES)]))
    assert guided.calls == 1


def test_prompts_take_turns_and_are_put_together_only_when_they_change() -> None:
    texts = [text(seed) for seed in range(5)]
    said = Told(
        prompts=[
            [WeightedPrompt(weight=1.0, timeline=Timeline(ends=(2, 8), values=(texts[0], texts[1])))],
            [WeightedPrompt(weight=1.0, timeline=always(texts[4]))],
        ],
        negatives=[Timeline(ends=(3, 8), values=(texts[2], texts[3]))] * 2,
        stack=stack,
    )
    network = AttendingNetwork()
    guided = guided_by(network, said)

    for _ in range(6):
        guided(X, SIGMA)

    first, last = [0, 4, 2, 2], [1, 4, 3, 3]
    for asked, numbers in zip(network.asked, [first, first, first, [1, 4, 2, 2], last, last], strict=True):
        assert asked.cross_attention.equal(torch.cat([texts[number].cross_attention for number in numbers]))
    assert [one is other for one, other in pairwise(network.asked)] == [True, True, False, False, True]
    assert guided.calls == 6


def test_a_batch_has_the_timesteps_of_its_pictures() -> None:
    network = AttendingNetwork()
    known = torch.tensor([500.5, 3.0], dtype=torch.float64)

    guided_by(network, told(COMPOSED, NEGATIVES))(X, SIGMA)
    guided_by(network, told(COMPOSED, NEGATIVES), together=False)(X, SIGMA, known)

    first, second = numbers(NOISE.sigma_to_t(SIGMA))
    assert numbers(network.timesteps[0]) == [first, first, first, second, first, second]
    assert numbers(network.timesteps[1]) == [500.5, 500.5, 500.5, 3.0]
    assert numbers(network.timesteps[2]) == [500.5, 3.0]


def test_a_refinement_takes_over_once_when_it_is_due() -> None:
    base, refiner, texts = AttendingNetwork(), AttendingNetwork(), [text(5), text(6)]
    later = Timeline(ends=(3, 9), values=(texts[0], texts[1]))
    other = Told(
        prompts=[[WeightedPrompt(weight=1.0, timeline=later)]] * 2,
        negatives=[always(said) for said in NEGATIVES],
        stack=stack,
    )
    questions: list[tuple[int, list[float]]] = []
    loads: list[int] = []

    def due(call: int, sigma: Tensor) -> bool:
        questions.append((call, numbers(sigma)))
        return call == 2

    def load() -> tuple[Network[Conditioning], Told[Conditioning]]:
        loads.append(len(questions))
        return network_of(refiner), other

    guided = guided_by(base, told(PROMPTS, NEGATIVES), refinement=Refinement(due=due, load=load))
    results = [guided(X, SIGMA) for _ in range(5)]

    assert loads == [3]
    assert questions == [(call, numbers(SIGMA)) for call in range(3)]
    assert (len(base.asked), len(refiner.asked)) == (2, 3)
    for result, said in zip(results[2:], [texts[0], texts[0], texts[1]], strict=True):  # calls count on
        torch.testing.assert_close(result, by_hand([[(1.0, said)]] * 2, NEGATIVES, 7.0))


def test_a_refinement_may_weigh_the_same_texts_otherwise() -> None:
    heavier: Sequence[Parts] = [[(2.0, said) for _, said in parts] for parts in PROMPTS]
    refinement = Refinement(
        due=lambda call, _sigma: call == 1,
        load=lambda: (network_of(AttendingNetwork()), told(heavier, NEGATIVES)),
    )
    guided = guided_by(AttendingNetwork(), told(PROMPTS, NEGATIVES), refinement=refinement)
    torch.testing.assert_close(guided(X, SIGMA), by_hand(PROMPTS, NEGATIVES, 7.0))
    torch.testing.assert_close(guided(X, SIGMA), by_hand(heavier, NEGATIVES, 7.0))


def test_lengths_are_made_equal_where_that_is_asked_for() -> None:
    network, negatives = AttendingNetwork(), [text(3, 2), text(4, 2)]
    said = replace(told(PROMPTS, negatives), equalise=with_empty_chunks(EMPTY))

    result = guided_by(network, said)(X, SIGMA)

    longer: Sequence[Parts] = [[(1.0, followed_by(parts[0][1], EMPTY.cross_attention))] for parts in PROMPTS]
    torch.testing.assert_close(result, by_hand(longer, negatives, 7.0))
    assert network.calls == [(4, 154)]


@pytest.mark.parametrize("options", [{"cfg_scale": 1.0}, {"skip_early": 1.0}], ids=str)
def test_lengths_are_made_equal_where_negatives_are_left_out_too(options: dict[str, Any]) -> None:
    """As in A1111, where the prompt is the same at all calls."""
    network, negatives = AttendingNetwork(), [text(3, 2), text(4, 2)]
    said = replace(told(PROMPTS, negatives), equalise=with_empty_chunks(EMPTY))

    result = guided_by(network, said, **options)(X, SIGMA)

    longer = [followed_by(parts[0][1], EMPTY.cross_attention) for parts in PROMPTS]
    torch.testing.assert_close(result, torch.cat([denoised(n, said) for n, said in enumerate(longer)]))
    assert network.calls == [(2, 154)]


SHOWN = torch.randn(2, 4, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
"""The pictures that a model is to edit."""


def editing(prompts: Sequence[Parts], negatives: Sequence[Conditioning]) -> Told[Conditioning]:
    seen = [[(weight, said.with_concat(SHOWN[n, None])) for weight, said in parts] for n, parts in enumerate(prompts)]
    without = [always(said.with_concat(torch.zeros_like(SHOWN[:1]))) for said in negatives]
    both = told(seen, [said.with_concat(SHOWN[n, None]) for n, said in enumerate(negatives)])
    return replace(both, without_picture=without)


def edited_by_hand(
    prompts: Sequence[Parts], negatives: Sequence[Conditioning], scale: float, image_scale: float
) -> Tensor:
    """arXiv:2211.09800, equation 3, with the sum over a prompt's parts in the place of the prompt's term."""
    pictures: list[Tensor] = []
    for n, (parts, negative) in enumerate(zip(prompts, negatives, strict=True)):
        shown = SHOWN[n, None]
        without = denoised(n, negative.with_concat(torch.zeros_like(shown)))
        uncond = denoised(n, negative.with_concat(shown))
        pulls = [scale * weight * (denoised(n, said.with_concat(shown)) - uncond) for weight, said in parts]
        pictures.append(sum(pulls, without + image_scale * (uncond - without)))
    return torch.cat(pictures)


@pytest.mark.parametrize(
    "options",
    [{}, {"cfg_scale": 1.0}, {"minimum_sigma": 20.0, "minimum_sigma_always": True}],
    ids=str,
)
def test_a_model_that_edits_is_also_asked_without_the_picture(options: dict[str, Any]) -> None:
    network = AttendingNetwork()
    result = guided_by(network, editing(PROMPTS, NEGATIVES), image_cfg_scale=1.5, **options)(X, SIGMA)
    torch.testing.assert_close(result, edited_by_hand(PROMPTS, NEGATIVES, options.get("cfg_scale", 7.0), 1.5))
    assert network.calls == [(6, 77)]


def test_a_picture_scale_of_1_is_guidance_by_prompts_alone() -> None:
    network = AttendingNetwork()
    result = guided_by(network, editing(PROMPTS, NEGATIVES), image_cfg_scale=1.0)(X, SIGMA)
    torch.testing.assert_close(result, edited_by_hand(PROMPTS, NEGATIVES, 7.0, 1.0))
    assert network.calls == [(4, 77)]


def test_the_picture_scale_is_for_models_that_edit() -> None:
    network = AttendingNetwork()
    result = guided_by(network, told(PROMPTS, NEGATIVES), image_cfg_scale=1.5)(X, SIGMA)
    torch.testing.assert_close(result, by_hand(PROMPTS, NEGATIVES, 7.0))
    assert network.calls == [(4, 77)]


@pytest.mark.parametrize(
    ("chunks", "together", "calls"),
    [(5, True, [(2, 77 * 5), (4, 154)]), (1, False, [(2, 77), (2, 154), (2, 154)])],
)
def test_what_does_not_fit_together_is_asked_apart(chunks: int, together: bool, calls: list[tuple[int, int]]) -> None:
    network = AttendingNetwork()
    prompts: Sequence[Parts] = [[(1.0, text(1, chunks))], [(1.0, text(2, chunks))]]
    negatives = [text(3, 2), text(4, 2)]
    result = guided_by(network, editing(prompts, negatives), image_cfg_scale=1.5, together=together)(X, SIGMA)
    torch.testing.assert_close(result, edited_by_hand(prompts, negatives, 7.0, 1.5))
    assert network.calls == calls


def test_a_model_that_edits_takes_prompts_of_several_parts() -> None:
    result = guided_by(AttendingNetwork(), editing(COMPOSED, NEGATIVES), image_cfg_scale=1.5)(X, SIGMA)
    torch.testing.assert_close(result, edited_by_hand(COMPOSED, NEGATIVES, 7.0, 1.5))


def test_lengths_are_made_equal_for_a_model_that_edits_too() -> None:
    network, negatives = AttendingNetwork(), [text(3, 2), text(4, 2)]
    said = replace(editing(PROMPTS, negatives), equalise=with_empty_chunks(EMPTY))

    result = guided_by(network, said, image_cfg_scale=1.5)(X, SIGMA)

    longer: Sequence[Parts] = [[(1.0, followed_by(parts[0][1], EMPTY.cross_attention))] for parts in PROMPTS]
    torch.testing.assert_close(result, edited_by_hand(longer, negatives, 7.0, 1.5))
