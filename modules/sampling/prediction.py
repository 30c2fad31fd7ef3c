"""From what a network says to the denoised picture, and between noise levels and training timesteps.

A noise level sigma is the standard deviation of the noise beside a picture of unit scale (arXiv:2206.00364). The
formulas are those of k-diffusion's `external.py` (MIT).
"""

from typing import Protocol

import torch
from torch import Tensor


class DiscreteNoise:
    """The noise levels a network was trained on, by timestep.

    Attributes:
        sigmas: float [T], ascending, on the CPU.
        sigma_min: the lowest level.
        sigma_max: the highest level.
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        """Build the table.

        Args:
            alphas_cumprod: float [T], how much of the picture's variance is left at each timestep (arXiv:2006.11239).
        """
        alphas = alphas_cumprod.cpu()
        self.sigmas = ((1 - alphas) / alphas) ** 0.5
        self.sigma_min: float = self.sigmas[0].item()
        self.sigma_max: float = self.sigmas[-1].item()
        self._log_sigmas = self.sigmas.log()
        self._copies: dict[torch.device, Tensor] = {}

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        """Return the timestep of each noise level, between whole numbers where need be; any shape."""
        table = self._table_on(sigma.device)
        log_sigma = sigma.log().to(table.dtype)
        low = (torch.searchsorted(table, log_sigma, right=True) - 1).clamp(0, len(table) - 2)
        below, above = table[low], table[low + 1]
        weight = ((below - log_sigma) / (below - above)).clamp(0, 1)
        return (1 - weight) * low + weight * (low + 1)

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """Return the noise level of each timestep 0..T-1; whole numbers not required, any shape."""
        table = self._table_on(t.device)
        low, high, weight = t.floor().long(), t.ceil().long(), t.frac()
        return ((1 - weight) * table[low] + weight * table[high]).exp()

    def _table_on(self, device: torch.device) -> Tensor:
        """The logarithms on `device`: copied once, so that a step never waits for a transfer."""
        if device not in self._copies:
            self._copies[device] = self._log_sigmas.to(device)
        return self._copies[device]


class Prediction(Protocol):
    """What a network predicts. `sigma` is [B], pictures and outputs are [B,C,h,w]."""

    def input_scale(self, sigma: Tensor) -> Tensor:
        """Return the factor [B] that brings x to the scale the network was trained on."""
        ...

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the clean picture that the network's output for the noisy `x` stands for, no less precise than x."""
        ...


class Epsilon:
    """The network predicts the noise (arXiv:2006.11239)."""

    def input_scale(self, sigma: Tensor) -> Tensor:
        """Return 1 / sqrt(sigma² + 1)."""
        return 1 / (sigma**2 + 1) ** 0.5

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """Return x - sigma · output."""
        return x + output * -per_picture(sigma)


class Velocity:
    """The network predicts v (arXiv:2202.00512, section 4)."""

    def input_scale(self, sigma: Tensor) -> Tensor:
        """Return 1 / sqrt(sigma² + 1)."""
        return 1 / (sigma**2 + 1) ** 0.5

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """Return x / (sigma² + 1) - output · sigma / sqrt(sigma² + 1)."""
        scaled_sigma = -sigma / (sigma**2 + 1) ** 0.5
        return output * per_picture(scaled_sigma) + x * per_picture(1 / (sigma**2 + 1))


def per_picture(values: Tensor) -> Tensor:
    """Shape [B] values as [B,1,1,1], to be multiplied with pictures."""
    return values[:, None, None, None]
