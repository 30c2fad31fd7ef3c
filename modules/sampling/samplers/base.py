"""All that a solver sees of the world."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x [B,C,h,w], sigma [B]) → denoised [B,C,h,w]."""

OnStep = Callable[[int, Tensor, Tensor, Tensor], None]
"""Called once per step with its number, its noise level (0-dim), x before the step, and what x was denoised to."""


class NoiseSource(Protocol):
    """Where stochastic solvers get their noise."""

    def next(self) -> Tensor:
        """Return fresh standard normal noise [B,C,h,w]."""
        ...

    def between(self, sigma: Tensor, following: Tensor) -> Tensor:
        """Return standard normal noise [B,C,h,w]: the increment of each picture's Brownian path between two levels.

        Increments of one path add up, so that solvers which halve a step see the same noise as those which do not.

        Args:
            sigma: 0-dim noise level, positive.
            following: 0-dim noise level, positive and another one.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverOptions:
    """How a solver adds noise; each solver uses what its method knows.

    Attributes:
        eta: how much of each step is made of fresh noise; 0 for none, 1 for all that the method allows.
        s_churn: strength of the noise added before each step (arXiv:2206.00364, algorithm 2).
        s_tmin: lowest noise level that is churned.
        s_tmax: highest noise level that is churned.
        s_noise: standard deviation of all added noise.
    """

    eta: float = 1.0
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = math.inf
    s_noise: float = 1.0


class Sampler(Protocol):
    """A solver of the probability-flow equation, or of a stochastic relative (arXiv:2206.00364, section 2)."""

    def __call__(
        self, denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
    ) -> Tensor:
        """Take `x` [B,C,h,w] from the noise level sigmas[0] down to sigmas[-1].

        Args:
            denoise: the model.
            x: pictures with noise of standard deviation sigmas[0].
            sigmas: [steps + 1], descending, on the CPU.
            noise: for solvers that add noise.
            on_step: called after the model, before x moves on.
            options: how noise is added.
        """
        ...


class OdeSolver(Protocol):
    """A sampler that adds no noise."""

    def __call__(self, denoise: Denoise, x: Tensor, sigmas: Tensor, on_step: OnStep) -> Tensor:
        """See `Sampler`."""
        ...


def deterministic(solver: OdeSolver) -> Sampler:
    """Give a solver without noise the shape of all samplers."""

    def sampler(
        denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
    ) -> Tensor:
        del noise, options
        return solver(denoise, x, sigmas, on_step)

    return sampler


def steps_of(sigmas: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield number, noise level and following noise level of each step.

    The levels are 0-dim tensors on the CPU: they combine with pictures on any device without waiting for it, and their
    arithmetic is rounded like the pictures', so that results equal k-diffusion's to the last bit.
    """
    return ((i, sigmas[i], sigmas[i + 1]) for i in range(len(sigmas) - 1))


def levels_of(x: Tensor, sigma: Tensor) -> Tensor:
    """Return the 0-dim `sigma` as the [B] tensor that a denoiser takes; a fill, not a transfer."""
    return x.new_full((x.shape[0],), sigma.item())
