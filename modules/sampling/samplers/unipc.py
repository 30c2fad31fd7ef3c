"""UniPC (arXiv:2302.04867): each model call corrects the step that led to it and predicts the next one.

Formulas and rounding are those of the authors' implementation (MIT), in its form for data prediction.
"""

from collections import deque
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from modules.sampling.samplers.base import NoiseSource, OnStep, levels_of
from modules.sampling.samplers.timesteps import NoiseModel, TimestepOptions, UniPCOptions
from modules.sampling.samplers.unipc_times import UniPCGrid, unipc_grid


def _exponential_integrals(h: Tensor, count: int) -> list[Tensor]:
    """Return h·phi_1(h) … h·phi_count(h): phi_1 is (e^h - 1) / h, each next one (phi_k - 1/k!) / h."""
    integral = h.expm1()
    integrals = [integral]
    factorial = 1
    for k in range(2, count + 1):
        factorial *= k - 1
        integral = integral / h - 1 / factorial
        integrals.append(integral)
    return integrals


def _weights_bh(ratios: Tensor, h: Tensor, *, linear: bool) -> tuple[Tensor, Tensor]:
    """Return what the differences weigh with the functions B(h) = h (`linear`) or e^h - 1.

    Args:
        ratios: [order], where the differences end in units of the step; the last is 1, the end of the step.
        h: 0-dim, minus the step's width in lambda.
        linear: which B.

    Returns:
        [order - 1] for the predictor and [order] for the corrector.
    """
    order = len(ratios)
    b_h = h if linear else h.expm1()
    factorial = 1
    rows: list[Tensor] = []
    values: list[Tensor] = []
    for k, integral in enumerate(_exponential_integrals(h, order + 1)[1:], start=1):
        factorial *= k
        rows.append(ratios ** (k - 1))
        values.append(integral * factorial / b_h)
    matrix, vector = torch.stack(rows), torch.stack(values)
    half = ratios.new_full((1,), 0.5)  # instead of the solution at the lowest orders, as the authors do
    predictor = half if order == 2 else _solve(matrix[:-1, :-1], vector[:-1])
    corrector = half if order == 1 else _solve(matrix, vector)
    return b_h * predictor, b_h * corrector


def _solve(matrix: Tensor, vector: Tensor) -> Tensor:
    """Solve by elimination, as the authors do: in float32 the inverse is off by a digit more."""
    return torch.linalg.solve(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # has no types
        matrix, vector
    )


def _weights_varying(ratios: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same with coefficients that vary with the step instead of B(h).

    The corrector leaves out the last row of the inverse and takes the newest difference from the row before it, as the
    authors' implementation does: what people know as this variant.
    """
    order = len(ratios)
    columns = [torch.ones_like(ratios)]
    for k in range(2, order + 1):
        columns.append(columns[-1] * ratios / k)
    matrix = torch.stack(columns, dim=1)
    integrals = torch.stack(_exponential_integrals(h, order + 1)[1:])
    predictor = integrals[:-1] @ matrix[:-1, :-1].inverse()
    inverse = matrix.inverse()
    corrector = torch.cat((integrals[:-1] @ inverse[:-1, :-1], integrals[-1:] * inverse[max(order - 2, 0), -1:]))
    return predictor, corrector


def _weights(ratios: Tensor, h: Tensor, variant: str) -> tuple[Tensor, Tensor]:
    if variant == "vary_coeff":
        return _weights_varying(ratios, h)
    return _weights_bh(ratios, h, linear=variant == "bh1")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Estimate:
    """What the model took x for on the way: the picture [B,C,h,w], and lambda there."""

    denoised: Tensor
    half_log_snr: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step:
    """A step from the newest estimate on.

    Attributes:
        base: [B,C,h,w], where a first-order step leads.
        newest: [B,C,h,w], the newest estimate.
        differences: from it to earlier ones, in units of the step.
        predictor: weights of the differences.
        corrector: the same for the corrector; the last is that of the difference to the estimate at the end.
    """

    base: Tensor
    newest: Tensor
    differences: list[Tensor]
    predictor: Tensor
    corrector: Tensor

    def predicted(self) -> Tensor:
        """Return x at the end without an estimate there."""
        return _less(self.base, self.predictor, self.differences)

    def corrected(self, denoised: Tensor) -> Tensor:
        """Return x at the end, given what the model takes the predicted x for."""
        return _less(self.base, self.corrector, [*self.differences, denoised - self.newest])


def _less(x: Tensor, weights: Tensor, differences: list[Tensor]) -> Tensor:
    """Return x less the weighted differences, which are summed first, as the authors do."""
    terms = [weight * difference for weight, difference in zip(weights, differences, strict=True)]
    return x - reduce(add, terms) if terms else x


def _begin(x: Tensor, estimates: list[_Estimate], grid: UniPCGrid, end: int, variant: str) -> _Step:
    """Begin the step to the `end`th place of the grid. Its order is the number of `estimates`, the newest last."""
    *earlier, newest = estimates
    h = grid.half_log_snr[end] - newest.half_log_snr
    ratios = [(estimate.half_log_snr - newest.half_log_snr) / h for estimate in reversed(earlier)]
    predictor, corrector = _weights(torch.stack([*ratios, torch.ones_like(h)]), -h, variant)
    picture = grid.picture[end]
    return _Step(
        base=grid.noise[end] / grid.noise[end - 1] * x - picture * (-h).expm1() * newest.denoised,
        newest=newest.denoised,
        differences=[
            (estimate.denoised - newest.denoised) / ratio
            for estimate, ratio in zip(reversed(earlier), ratios, strict=True)
        ],
        predictor=picture * predictor,
        corrector=picture * corrector,
    )


def _order(i: int, steps: int, options: UniPCOptions) -> int:
    """Return the order of step `i`: no more than there are estimates, and falling to 1 at the end if so wished."""
    order = min(options.order, steps)
    if i + 1 < order:
        return i + 1
    return min(order, steps - i) if options.lower_order_final else order


def unipc(
    model: NoiseModel,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: TimestepOptions,
) -> Tensor:
    """Predict x from this step's estimate and those before it; correct it by the estimate that follows.

    Of `timesteps` only the first and the number count; the run ends at 0. The model is called once per step, between
    whole timesteps. The last step is not corrected.
    """
    del noise
    chosen = options.unipc
    steps = len(timesteps) - 1
    grid = unipc_grid(timesteps[0], steps, alphas_cumprod, chosen.skip_type)
    estimates: deque[_Estimate] = deque(maxlen=chosen.order)
    step: _Step | None = None
    for i in range(steps):
        eps = model(x, levels_of(x, grid.timesteps[i]))
        denoised = (x - grid.noise[i] * eps) / grid.picture[i]
        if step is not None:
            x = step.corrected(denoised)
        on_step(i, grid.noise[i] / grid.picture[i], x, denoised)
        estimates.append(_Estimate(denoised=denoised, half_log_snr=grid.half_log_snr[i]))
        step = _begin(x, list(estimates)[-_order(i, steps, chosen) :], grid, i + 1, chosen.variant)
        x = step.predicted()
    return x
