"""From what a network says to the denoised picture, and between noise levels and training timesteps.

A noise level sigma is the standard deviation of the noise beside a picture of unit scale (arXiv:2206.00364). The
formulas are those of k-diffusion's `external.py` (MIT).
"""

from typing import Protocol

import torch
from torch import Tensor

ZERO_SNR_ALPHA = 4.8973451890853435e-08
"""What zero terminal SNR leaves of the picture's variance at the last timestep, which so has a noise level: 4518.8."""

CONSISTENCY_LEVELS = 50
"""How many of the training's levels latent consistency distillation keeps (arXiv:2310.04378, section 4.3)."""


class DiscreteNoise:
    """The noise levels a network was trained on, by timestep.

    Attributes:
        alphas_cumprod: what it was made of.
        sigmas: float [T], ascending, on the CPU.
        sigma_min: the lowest level.
        sigma_max: the highest level.
        t_min: timestep of the lowest level.
        t_max: timestep of the highest level.
    """

    def __init__(self, alphas_cumprod: Tensor, *, quantised: bool = False) -> None:
        """Build the table.

        Args:
            alphas_cumprod: float [T], how much of the picture's variance is left at each timestep (arXiv:2006.11239).
                Of half precision, the levels and their logarithms are rounded to half precision, too.
            quantised: the timestep of a level is the whole one next to it, as the network saw them in its training.
        """
        self.alphas_cumprod = alphas_cumprod.cpu()
        self.sigmas = ((1 - self.alphas_cumprod) / self.alphas_cumprod) ** 0.5
        self.sigma_min: float = self.sigmas[0].item()
        self.sigma_max: float = self.sigmas[-1].item()
        self.t_min, self.t_max = 0, len(self.sigmas) - 1
        self._log_sigmas = _at_least_single(self.sigmas.log())
        self._quantised = quantised
        self._copies: dict[torch.device, Tensor] = {}

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        """Return the timestep of each noise level, between whole numbers where need be; any shape."""
        if self._quantised:
            return self._nearest(sigma)
        table = self._table_on(sigma.device)
        log_sigma = sigma.log().to(table.dtype)
        low = (torch.searchsorted(table, log_sigma, right=True) - 1).clamp(0, len(table) - 2)
        below, above = table[low], table[low + 1]
        weight = ((below - log_sigma) / (below - above)).clamp(0, 1)
        return (1 - weight) * low + weight * (low + 1)

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """Return the noise level of each timestep t_min..t_max; whole numbers not required, any shape."""
        table = self._table_on(t.device)
        low, high, weight = t.floor().long(), t.ceil().long(), t.frac()
        return ((1 - weight) * table[low] + weight * table[high]).exp()

    def _nearest(self, sigma: Tensor) -> Tensor:
        """Number of the level that is nearest to each one by its logarithm, as floats of any shape."""
        table = self._table_on(sigma.device)
        log_sigma = sigma.log().to(table.dtype)
        return (log_sigma[..., None] - table).abs().argmin(-1).to(table.dtype)

    def _table_on(self, device: torch.device) -> Tensor:
        """The logarithms on `device`: copied once, so that a step never waits for a transfer."""
        if device not in self._copies:
            self._copies[device] = self._log_sigmas.to(device)
        return self._copies[device]


class ConsistencyNoise(DiscreteNoise):
    """The levels that latent consistency distillation kept: every 20th of a thousand (arXiv:2310.04378).

    A level's timestep is always one of those, whatever lies between.
    """

    def __init__(self, alphas_cumprod: Tensor) -> None:
        """Build the table from the whole training's `alphas_cumprod`, float [T]; T is a multiple of 50."""
        self._stride = len(alphas_cumprod) // CONSISTENCY_LEVELS
        super().__init__(_at_least_single(alphas_cumprod[self._stride - 1 :: self._stride]))
        self.t_min, self.t_max = self._stride - 1, len(alphas_cumprod) - 1

    def sigma_to_t(self, sigma: Tensor) -> Tensor:
        """Return the timestep of the kept level that is nearest to each one; any shape."""
        return self._nearest(sigma) * self._stride + self.t_min

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """Return the noise level of each timestep of the whole training, between the kept levels where need be."""
        return super().t_to_sigma(((t - self.t_min) / self._stride).clamp(0, len(self.sigmas) - 1))


def zero_terminal_snr(alphas_cumprod: Tensor) -> Tensor:
    """Return the table shifted and stretched so that nothing is left of the picture at the last timestep.

    As arXiv:2305.08891, algorithm 1, but for the last value, which stays above 0, so that it has a noise level.

    Args:
        alphas_cumprod: float [T]; half precision, which cannot hold the last value, is widened first.
    """
    roots = _at_least_single(alphas_cumprod).sqrt()
    first, last = roots[0], roots[-1]
    rescaled = ((roots - last) * (first / (first - last))) ** 2
    rescaled[-1] = ZERO_SNR_ALPHA
    return rescaled


def noise_levels(
    alphas_cumprod: Tensor,
    *,
    half_precision: bool = False,
    zero_snr: bool = False,
    quantised: bool = False,
    consistency: bool = False,
) -> DiscreteNoise:
    """Return the noise levels of one run.

    Args:
        alphas_cumprod: float [T], those of the model's training.
        half_precision: round them to half precision, as A1111 before 1.8 did (setting `use_downcasted_alpha_bar`).
        zero_snr: see `zero_terminal_snr` (setting `sd_noise_schedule`).
        quantised: see `DiscreteNoise` (setting `enable_quantization`).
        consistency: only the levels of `ConsistencyNoise`, for samplers with this property.
    """
    alphas = alphas_cumprod.half() if half_precision else alphas_cumprod
    alphas = zero_terminal_snr(alphas) if zero_snr else alphas
    return ConsistencyNoise(alphas) if consistency else DiscreteNoise(alphas, quantised=quantised)


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


class Consistency:
    """What a network of consistency distillation predicts: the denoised picture, blended with x (arXiv:2310.04378).

    At timestep 0 the blend is x itself; c_skip and c_out are those of diffusers' `LCMScheduler`.
    """

    SIGMA_DATA = 0.5
    TIMESTEP_SCALE = 10.0

    def __init__(self, prediction: Prediction, noise: ConsistencyNoise) -> None:
        """Blend what `prediction` makes of the network's output."""
        self._prediction = prediction
        self._noise = noise

    def input_scale(self, sigma: Tensor) -> Tensor:
        """Return the factor of the prediction that is blended."""
        return self._prediction.input_scale(sigma)

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        """Return c_out · denoised + c_skip · x."""
        t = self._noise.sigma_to_t(sigma) * self.TIMESTEP_SCALE
        c_skip = self.SIGMA_DATA**2 / (t**2 + self.SIGMA_DATA**2)
        c_out = t / (t**2 + self.SIGMA_DATA**2) ** 0.5
        denoised = self._prediction.denoised(output, x, sigma)
        return per_picture(c_out) * denoised + per_picture(c_skip) * x


def _at_least_single(values: Tensor) -> Tensor:
    """Widen half precision to single."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def per_picture(values: Tensor) -> Tensor:
    """Shape [B] values as [B,1,1,1], to be multiplied with pictures."""
    return values[:, None, None, None]
