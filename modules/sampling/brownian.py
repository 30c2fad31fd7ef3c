"""Brownian paths: noise for solvers of stochastic differential equations, whose parts add up to the whole."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from numpy.random import SeedSequence
from torch import Tensor

_DIGITS = 6  # decimals of a noise level: halving goes no further
_POOL = 24  # words in which the entropy of a seed is mixed

Draw = Callable[[int], Tensor]
"""Seed of a generator, 0 .. 2^32 - 1 → its first standard normal noise for one picture [C,h,w]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interval:
    """One of the 2^depth parts of all noise levels, number `index` from the lowest."""

    start: float
    end: float
    depth: int
    index: int

    def halves(self) -> "tuple[_Interval, _Interval]":
        middle = round(0.5 * (self.end + self.start), _DIGITS)
        depth, index = self.depth + 1, 2 * self.index
        return (
            _Interval(start=self.start, end=middle, depth=depth, index=index),
            _Interval(start=middle, end=self.end, depth=depth, index=index + 1),
        )


class BrownianPaths:
    """One Brownian path over the noise levels for each picture, which depends on its seed and on the limits alone.

    A path is known by halving: what it gains over all levels is drawn first, then how the two halves share that, and so
    on, until halves end at the levels that are asked for (a virtual Brownian tree, arXiv:2001.01328, section 4). The
    numbers equal those of k-diffusion's `BrownianTreeNoiseSampler` on torchsde 0.2.6 to the last bit. Here all pictures
    are halved together, and what the latest question needed is kept: the next one mostly begins at one of its ends.
    """

    def __init__(self, seeds: Sequence[int], draw: Draw, *, low: float, high: float) -> None:
        """Draw the noise over all levels.

        Args:
            seeds: one per picture: any integers, of which the remainder modulo 2^64 counts.
            draw: where normal noise comes from; the paths have its type and are on its device.
            low: lowest noise level of the run.
            high: highest noise level of the run.
        """
        self._seeds = [seed % 2**64 for seed in seeds]
        self._draw = draw
        self._whole = _Interval(start=round(low, _DIGITS), end=round(high, _DIGITS), depth=0, index=0)
        self._total = self._normals(()).mul_(math.sqrt(high - low))
        self._known: dict[_Interval, Tensor] = {}
        self._needed: dict[_Interval, Tensor] = {}

    def between(self, sigma: Tensor, following: Tensor) -> Tensor:
        """Return what the paths gain [B,C,h,w] from one level to another, divided by the root of the levels' distance.

        This is standard normal noise; without a distance (of at least 1e-6) it is 0.

        Args:
            sigma: 0-dim noise level; one beyond the limits counts as the limit.
            following: 0-dim noise level.
        """
        begin, end = sorted((self._level(sigma), self._level(following)))
        if begin == end:
            return torch.zeros_like(self._total)
        self._needed = {}
        gain = reduce(torch.add, self._parts(self._whole, self._total, begin, end))
        self._known = self._needed
        step = following - sigma
        scale = math.copysign(step.abs().sqrt().item(), step.item())
        return gain / gain.new_full((), scale)  # a GPU divides by its own tensors, but multiplies with 1 / a number

    def _level(self, sigma: Tensor) -> float:
        return round(min(max(sigma.item(), self._whole.start), self._whole.end), _DIGITS)

    def _parts(self, interval: _Interval, gain: Tensor, begin: float, end: float) -> Iterator[Tensor]:
        """Yield, from low to high, what is gained in the largest of all halves' halves that make up begin .. end."""
        if (begin, end) == (interval.start, interval.end):
            yield gain
            return
        left, right = interval.halves()
        gain_of_left = self._gain_of_left(interval, left.end, gain)
        if begin < left.end:
            yield from self._parts(left, gain_of_left, begin, min(end, left.end))
        if end > right.start:
            yield from self._parts(right, gain - gain_of_left, max(begin, right.start), end)

    def _gain_of_left(self, interval: _Interval, middle: float, gain: Tensor) -> Tensor:
        """Return what is gained up to the middle, given what the whole interval gains: a Brownian bridge."""
        part = self._known.get(interval)
        if part is None:
            left, right = middle - interval.start, interval.end - middle
            reciprocal = 1 / (interval.end - interval.start)
            noise = self._normals((interval.index, interval.depth)).mul_(math.sqrt(left * right * reciprocal))
            part = noise.add_((left * gain).mul_(reciprocal))
        self._needed[interval] = part
        return part

    def _normals(self, key: tuple[int, ...]) -> Tensor:
        """Return the noise [B,C,h,w] of the interval called `key`."""
        return torch.stack([self._draw(_derived_seed(seed, key)) for seed in self._seeds])


def _derived_seed(seed: int, key: tuple[int, ...]) -> int:
    return int(SeedSequence(seed, spawn_key=key, pool_size=_POOL).generate_state(1)[0])
