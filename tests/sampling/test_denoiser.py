"""What is asked of the network at each call, and what is made of its answers."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from modules.conditioning.conditioning import Conditioning, stack
from modules.conditioning.padding import with_empty_chunks
from modules.sampling.denoiser import Network, Refinement, Told, WeightedPrompt
from modules.sampling.timeline import Timeline
from tests.sampling.attending import (
    COMPOSED,
    EMPTY,
    NEGATIVES,
    NOISE,
    PROMPTS,
    SIGMA,
    AttendingNetwork,
    Parts,
    X,
    always,
    by_hand,
    filled,
    followed_by,
    guided_by,
    network_of,
    numbers,
    text,
    told,
)


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
    for asked, seeds in zip(network.asked, [first, first, first, [1, 4, 2, 2], last, last], strict=True):
        assert asked.cross_attention.equal(torch.cat([texts[seed].cross_attention for seed in seeds]))
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
