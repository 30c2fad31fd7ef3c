"""What the DPM-Solver++ family shares (arXiv:2211.01095).

The paper's lambda is -log sigma here, and its alpha is 1.
"""

from torch import Tensor

from modules.sampling.samplers.base import NoiseSource, SolverOptions


def towards(x: Tensor, target: Tensor, lam: Tensor, lam_following: Tensor) -> Tensor:
    """Take the first-order step (section 4): exact if the model would say `target` all the way.

    Args:
        x: [B,C,h,w].
        target: [B,C,h,w], the denoised picture, or a better guess of what it is along the step.
        lam: -log sigma of x, 0-dim.
        lam_following: -log sigma where the step ends, 0-dim; infinite for sigma 0, and x becomes the target.
    """
    return (-lam_following).exp() / (-lam).exp() * x - (lam - lam_following).expm1() * target


def sde_first_order(x: Tensor, denoised: Tensor, h: Tensor, options: SolverOptions) -> Tensor:
    """Take the drift of the first-order SDE step (section 5): eta makes x forget its noise faster.

    Args:
        x: [B,C,h,w].
        denoised: what the model makes of x.
        h: how much log sigma falls, 0-dim.
        options: eta; 0 for the step of the ODE, 1 for that of the diffusion SDE.
    """
    decay = h * (1 + options.eta)
    return (-decay).exp() * x - (-decay).expm1() * denoised


def sde_noise(x: Tensor, sigma: Tensor, following: Tensor, noise: NoiseSource, options: SolverOptions) -> Tensor:
    """Give back to `x` [B,C,h,w] the noise that the drift from `sigma` to `following` (0-dim) has taken too much."""
    if options.eta <= 0:
        return x
    h = sigma.log() - following.log()
    share = (-(-2 * options.eta * h).expm1()).sqrt()
    return x + noise.between(sigma, following) * (following * share * options.s_noise)
