"""When negative prompts are left out, and what stands for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from modules.conditioning.padding import with_empty_chunks
from tests.sampling.attending import (
    COMPOSED,
    EMPTY,
    NEGATIVES,
    PROMPTS,
    SIGMA,
    AttendingNetwork,
    Parts,
    X,
    by_hand,
    denoised,
    followed_by,
    guided_by,
    text,
    told,
)


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


@pytest.mark.parametrize("options", [{"cfg_scale": 1.0}, {"skip_early": 1.0}], ids=str)
def test_lengths_are_made_equal_where_negatives_are_left_out_too(options: dict[str, Any]) -> None:
    """As in A1111, where the prompt is the same at all calls."""
    network, negatives = AttendingNetwork(), [text(3, 2), text(4, 2)]
    said = replace(told(PROMPTS, negatives), equalise=with_empty_chunks(EMPTY))

    result = guided_by(network, said, **options)(X, SIGMA)

    longer = [followed_by(parts[0][1], EMPTY.cross_attention) for parts in PROMPTS]
    torch.testing.assert_close(result, torch.cat([denoised(n, said) for n, said in enumerate(longer)]))
    assert network.calls == [(2, 154)]
