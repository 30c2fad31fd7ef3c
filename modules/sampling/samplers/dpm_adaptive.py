"""DPM-Solver-12 and -23 (arXiv:2206.00927, appendix C) as in k-diffusion: steps as long as their error allows."""

from dataclasses import dataclass
from math import atan, inf, isfinite
from typing import Literal

import torch
from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of
from modules.sampling.samplers.dpm_solver import (
    ends_of,
    eps_partway,
    first_order,
    lower_end,
    second_order,
    third_order,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepControl:
    """How long steps may be; lengths are differences of log sigma.

    Attributes:
        order: of the solver whose result is kept; the one below it tells the error.
        rtol: allowed error, relative to x.
        atol: allowed error where x is near 0.
        first_length: of the first trial.
        proportional: coefficient of the PID controller.
        integral: coefficient of the PID controller.
        derivative: coefficient of the PID controller.
        shortest: a step that ought to have been shorter than this part of what it was is tried again.
    """

    order: Literal[2, 3] = 3
    rtol: float = 0.05
    atol: float = 0.0078
    first_length: float = 0.05
    proportional: float = 0.0
    integral: float = 1.0
    derivative: float = 0.0
    shortest: float = 0.81


class StepLength:
    """A PID controller of the step length, as in k-diffusion."""

    def __init__(self, control: StepControl, order: float) -> None:
        """Begin with the first trial.

        Args:
            control: the coefficients.
            order: of the error in the step length.
        """
        self.length = control.first_length
        self._shortest = control.shortest
        self._exponents = (
            (control.proportional + control.integral + control.derivative) / order,
            -(control.proportional + 2 * control.derivative) / order,
            control.derivative / order,
        )
        self._past: tuple[float, float] | None = None

    def adapt(self, error: float) -> bool:
        """Adapt the length to the error of a step, relative to the allowed one, and return whether the step counts.

        An error that is not a number stays so whatever the length: the step counts, and one more leads to the end.
        """
        if not isfinite(error):
            self.length = inf
            return True
        inverse = 1 / (error + 1e-8)
        before, long_before = self._past or (inverse, inverse)
        now_exponent, before_exponent, long_before_exponent = self._exponents
        factor = inverse**now_exponent * before**before_exponent * long_before**long_before_exponent
        factor = 1 + atan(factor - 1)  # neither negative nor large
        self.length *= factor
        accepted = factor >= self._shortest
        self._past = (inverse, before) if accepted else (before, long_before)
        return accepted


def dpm_adaptive(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: SolverOptions,
    control: StepControl = StepControl(),
) -> Tensor:
    """Go from the first level to the last that is not 0, where x stays; nothing else of the schedule is used.

    The error is that of the whole batch, so that a picture depends a little on its neighbours. `on_step` also hears of
    steps that are tried again. From a single level x goes straight to what the model makes of it.
    """
    lam, end = ends_of(sigmas)
    if lam == end:
        denoised = denoise(x, levels_of(x, sigmas[0]))
        on_step(0, sigmas[0], x, denoised)
        return denoised
    length = StepLength(control, 1.5 if options.eta > 0 else control.order)
    rtol, atol = sigmas.new_tensor((control.rtol, control.atol))
    accepted_low, trial = x, 0
    while lam < end - 1e-5:
        following = torch.minimum(end, lam + length.length)
        lower, up = lower_end(lam, following, end, options.eta)
        sigma = (-lam).exp()
        denoised = denoise(x, levels_of(x, sigma))
        on_step(trial, sigma, x, denoised)
        trial += 1
        low, high = _pair(denoise, x, (x - denoised) / sigma, lam, lower, control.order)
        allowed = torch.maximum(atol, rtol * torch.maximum(low.abs(), accepted_low.abs()))
        error = ((low - high) / allowed).square().mean().sqrt()
        if length.adapt(error.item()):  # the only place where a solver has to wait for the device
            accepted_low, x, lam = low, high, following
            if up > 0:
                x = x + noise.next() * (up * options.s_noise)
    return x


def _pair(
    denoise: Denoise, x: Tensor, eps: Tensor, lam: Tensor, following: Tensor, order: Literal[2, 3]
) -> tuple[Tensor, Tensor]:
    """Take a step with the solver of `order` and with the one below it; both use the same model calls."""
    r = 1 / order
    eps_r = eps_partway(denoise, x, eps, lam, following, r)
    second = second_order(x, eps, eps_r, lam, following, r)
    if order == 2:
        return first_order(x, eps, lam, following), second
    return second, third_order(denoise, x, eps, eps_r, lam, following)
