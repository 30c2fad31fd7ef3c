"""SA-Solver: stochastic Adams predictor and corrector (arXiv:2309.05019), after its authors' code (MIT)."""

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of

_PREDICTOR_ORDER, _CORRECTOR_ORDER = 3, 4

_NOISY = (0.5717, 5.1110)
"""Noise is added in steps that end between these levels: Stable Diffusion's at timesteps 200 and 800."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step:
    """A step on its way; lambda is -log sigma.

    Attributes:
        base: [B,C,h,w], what is kept of x, and fresh noise.
        h: its width in lambda, 0-dim.
        end: lambda where it ends, 0-dim.
        stretch: 1 + tau².
    """

    base: Tensor
    h: Tensor
    end: Tensor
    stretch: float

    def reached(self, estimates: list[Tensor], lams: Tensor) -> Tensor:
        """Return x at the end if the denoised picture is the polynomial through `estimates` at lambdas `lams`."""
        x = self.base
        for weight, estimate in zip(_weights(lams - self.end, self.h, self.stretch), estimates, strict=True):
            x = x + weight * estimate
        return x


def sa_solver(
    denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
) -> Tensor:
    """Predict x from this step's estimate and those before it; correct it by the estimate that follows.

    `eta` is the paper's tau in the steps that add noise; in the others it is 0. Orders fall towards the end.
    """
    lams = -sigmas.double().log()
    last = int((sigmas > 0).sum()) - 1
    estimates: deque[Tensor] = deque(maxlen=_CORRECTOR_ORDER)
    step: _Step | None = None
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        if following == 0:
            x = denoised
            continue
        estimates.append(denoised)
        if step is not None:
            order = min(_CORRECTOR_ORDER, i + 1, last - i + 1)
            x = step.reached(list(estimates)[-order:], lams[i + 1 - order : i + 1])
        tau = options.eta if _NOISY[0] <= following <= _NOISY[1] else 0.0
        h = lams[i + 1] - lams[i]
        base = (-(tau**2) * h).exp() * (following / sigma) * x
        if tau > 0:
            base = base + noise.next() * (following * (-(-2 * tau**2 * h).expm1()).sqrt() * options.s_noise)
        step = _Step(base=base, h=h, end=lams[i + 1], stretch=1 + tau**2)
        order = min(_PREDICTOR_ORDER, i + 1, last - i)
        x = step.reached(list(estimates)[-order:], lams[i + 1 - order : i + 1])
    return x


def _weights(nodes: Tensor, h: Tensor, stretch: float) -> Tensor:
    """Return what each estimate counts in a step: the integral of its Lagrange polynomial (equations 15 and 18).

    That is q · ∫ e^(q·u) · polynomial(u) du for u from -h to 0, with q = `stretch`.

    Args:
        nodes: [order], lambdas of the estimates less the one where the step ends.
        h: the step's width, 0-dim.
        stretch: 1 + tau².
    """
    decay = (-stretch * h).exp()
    moments = [-(-stretch * h).expm1()]
    for power in range(1, len(nodes)):
        moments.append(-((-h) ** power) * decay - power / stretch * moments[-1])
    powers = torch.stack([nodes**power for power in range(len(nodes))])
    return powers.inverse() @ torch.stack(moments)
