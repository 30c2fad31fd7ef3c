"""What ancestral samplers share: a step goes further down than asked, and fresh noise leads back up.

The split of a step is DDIM's (arXiv:2010.02502, equation 16) in terms of sigma, as in k-diffusion (MIT).
"""

import torch
from torch import Tensor


def ancestral_step(sigma: Tensor, following: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Split the step from `sigma` to `following` into a deterministic part and fresh noise; all 0-dim.

    Returns:
        The level to go down to, and the standard deviation of the noise that leads back up to `following`.
    """
    up = eta * (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5
    up = torch.minimum(up, following)
    return (following**2 - up**2) ** 0.5, up
