"""What the solvers of Karras et al. share: noise added before a step (arXiv:2206.00364, algorithm 2)."""

from math import sqrt

from torch import Tensor

from modules.sampling.samplers.base import NoiseSource, SolverOptions

_MOST = sqrt(2) - 1
"""By how much a level is raised at most, relative to itself: the paper's bound on gamma."""


def churn(x: Tensor, sigma: Tensor, steps: int, noise: NoiseSource, options: SolverOptions) -> tuple[Tensor, Tensor]:
    """Raise the noise of `x` [B,C,h,w] a little above `sigma` (0-dim).

    With churn, noise is drawn at the levels that are left alone, too, as k-diffusion does: the draws of the others do
    not depend on `s_tmin` and `s_tmax`.

    Args:
        x: pictures at the level `sigma`.
        sigma: the level of this step.
        steps: of the whole run, which shares the strength among them.
        noise: what is added.
        options: strength and range of levels.

    Returns:
        x and its level, 0-dim, higher than before unless the options leave this one alone.
    """
    if options.s_churn <= 0:
        return x, sigma
    fresh = noise.next()
    if not options.s_tmin <= sigma <= options.s_tmax:
        return x, sigma
    raised = sigma * (1 + min(options.s_churn / steps, _MOST))
    return x + fresh * ((raised**2 - sigma**2) ** 0.5 * options.s_noise), raised
