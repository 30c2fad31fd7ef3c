import math
from itertools import pairwise
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torchsde import BrownianTree  # pyright: ignore[reportMissingTypeStubs]

from modules.sampling.brownian import BrownianPaths, Draw
from modules.sampling.philox import Philox
from tests.sampling.recordings import array, recorded

LOW, HIGH = 0.0291675, 14.6146
LEVELS = torch.tensor([HIGH, 7.3, 2.5, 1.1, 0.4, 0.0291675])


def drawn(shape: tuple[int, ...], *, source: str = "CPU", drawn_as: torch.dtype = torch.float32) -> Draw:
    def draw(seed: int) -> Tensor:
        if source == "NV":
            return torch.as_tensor(Philox(seed).randn(shape))
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=drawn_as)

    return draw


def paths(*seeds: int, low: float = LOW, high: float = HIGH) -> BrownianPaths:
    return BrownianPaths(seeds, drawn((4, 3, 2)), low=low, high=high)


def answers(wanted: Any) -> list[Tensor]:
    """Ask as a recording asked."""
    dtype = getattr(torch, wanted["dtype"])
    single = isinstance(wanted["seed"], int | float)  # one path for the whole batch
    seeds = [int(seed) for seed in ([wanted["seed"]] if single else wanted["seed"])]
    shape = wanted["shape"] if single else wanted["shape"][1:]
    draw = drawn(
        tuple(shape), source=wanted["randn_source"], drawn_as=torch.float32 if wanted["a1111_randn_patch"] else dtype
    )

    def time(sigma: float) -> Tensor:
        level = torch.tensor(sigma)
        return -level.log() if wanted["transform"] else level

    low, high = sorted(time(wanted[name]).item() for name in ("sigma_min", "sigma_max"))
    # k-diffusion's paths run from the level that was given as the lowest, also when a transform makes it the highest
    sign = -1 if wanted["transform"] else 1
    asked = BrownianPaths(seeds, lambda seed: draw(seed).to(dtype), low=low, high=high)
    noise = [sign * asked.between(time(sigma), time(following)) for sigma, following in wanted["queries"]]
    return [one[0] for one in noise] if single else noise


def has_a_seed_for_each_picture(case: Any) -> bool:
    """Say whether it can be asked of `BrownianPaths`, which makes as many pictures as there are seeds."""
    seeds = case["in"]["seed"]
    return not isinstance(seeds, list) or len(seeds) == case["in"]["shape"][0]  # pyright: ignore[reportUnknownArgumentType]


@pytest.mark.parametrize("case", filter(has_a_seed_for_each_picture, recorded("brownian")), ids=lambda case: case["id"])
def test_noise_is_as_recorded(case: Any) -> None:
    got = answers(case["in"])
    if "raises" in case["out"]:  # seeds that are negative or not whole
        assert all(noise.isfinite().all() for noise in got)
        return
    for i, (noise, finite) in enumerate(zip(got, case["out"]["finite"], strict=True)):
        if finite:
            torch.testing.assert_close(noise, array("brownian", f"{case['id']}.q{i}"), rtol=0, atol=3e-6)
        else:  # the same level twice
            assert noise.count_nonzero() == 0


class TorchsdeNoise:
    """Noise the way k-diffusion asks torchsde for it."""

    def __init__(self, seeds: list[int], *, low: float, high: float) -> None:
        self._trees = [BrownianTree(low, torch.zeros(4, 3, 2), high, entropy=seed) for seed in seeds]

    def between(self, sigma: Tensor, following: Tensor) -> Tensor:
        sign, (begin, end) = (1, (sigma, following)) if sigma < following else (-1, (following, sigma))
        gain = torch.stack([cast("Tensor", tree(begin, end)) for tree in self._trees])
        return gain * sign / (following - sigma).abs().sqrt()


@pytest.mark.filterwarnings("ignore:Should have t")  # torchsde rounds the limits, too, and finds them overstepped
@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (0.002, 80), (0.3, 4518.3), (3e-5, 0.5)])
def test_noise_equals_that_of_torchsde_to_the_last_bit(low: float, high: float) -> None:
    chance = torch.Generator().manual_seed(1)
    seeds = [5, 2**63 + 11]
    ours = BrownianPaths(seeds, drawn((4, 3, 2)), low=low, high=high)
    theirs = TorchsdeNoise(seeds, low=low, high=high)
    share = torch.rand(8, generator=chance)
    levels = torch.cat([torch.tensor([low, high]), low + share * (high - low), low * (high / low) ** share])
    for sigma, following in levels[torch.randint(len(levels), (25, 2), generator=chance)]:
        if (sigma - following).abs() > 2e-6:
            assert ours.between(sigma, following).equal(theirs.between(sigma, following))


def test_a_path_does_not_depend_on_its_neighbours() -> None:
    together, alone = paths(7, 8), paths(8)
    for sigma, following in pairwise(LEVELS):
        assert together.between(sigma, following)[1:].equal(alone.between(sigma, following))


def test_a_path_does_not_depend_on_what_was_asked_before() -> None:
    asked = paths(7)
    for sigma, following in reversed(list(pairwise(LEVELS))):
        assert asked.between(sigma, following).equal(paths(7).between(sigma, following))


def test_what_is_gained_adds_up() -> None:
    path = paths(7)
    parts = [path.between(a, b) * (a - b).sqrt() for a, b in pairwise(LEVELS)]
    whole = path.between(LEVELS[0], LEVELS[-1]) * (LEVELS[0] - LEVELS[-1]).sqrt()
    torch.testing.assert_close(torch.stack(parts).sum(0), whole, rtol=0, atol=1e-5)


def test_noise_is_standard_normal() -> None:
    path = BrownianPaths([3], drawn((4, 32, 32)), low=LOW, high=HIGH)
    for sigma, following in pairwise(LEVELS):
        noise = path.between(sigma, following)
        assert abs(noise.mean()) < 0.06
        assert abs(noise.std() - 1) < 0.06


def test_the_way_back_gives_the_opposite() -> None:
    path = paths(7)
    assert path.between(LEVELS[1], LEVELS[2]).equal(-path.between(LEVELS[2], LEVELS[1]))


def test_without_a_distance_there_is_no_noise() -> None:
    path, level = paths(7), torch.tensor(5.0)
    assert path.between(level, level).count_nonzero() == 0
    assert path.between(level, torch.nextafter(level, torch.tensor(9.0))).count_nonzero() == 0
    alone = BrownianPaths([7], drawn((4, 3, 2)), low=5.0, high=5.0)
    assert alone.between(level, torch.tensor(4.0)).count_nonzero() == 0


def test_levels_beyond_the_limits_count_as_the_limits() -> None:
    path = paths(7, low=1, high=4)
    inside, beyond = (
        path.between(torch.tensor(4.0), torch.tensor(2.0)),
        path.between(torch.tensor(8.0), torch.tensor(2.0)),
    )
    torch.testing.assert_close(beyond * math.sqrt(6), inside * math.sqrt(2))


def test_a_question_that_begins_where_another_ended_draws_the_way_to_one_level_only() -> None:
    seeds: list[int] = []
    draw = drawn((4, 3, 2))

    def counted(seed: int) -> Tensor:
        seeds.append(seed)
        return draw(seed)

    path = BrownianPaths([7], counted, low=LOW, high=HIGH)
    path.between(LEVELS[1], LEVELS[2])
    for sigma, following in pairwise(LEVELS[2:]):
        seeds.clear()
        path.between(sigma, following)
        assert len(seeds) <= math.log2(HIGH / 1e-6) + 1
        seeds.clear()
        path.between(sigma, following)
        assert not seeds
