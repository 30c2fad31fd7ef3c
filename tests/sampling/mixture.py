"""A denoiser that is known exactly: every latent element is a mixture of two normal distributions."""

from math import log

import numpy as np
import torch
from torch import Tensor

from modules.sampling.prediction import DiscreteNoise
from tests.sampling.recordings import alphas_cumprod

MEANS = torch.tensor(np.random.RandomState(1234).standard_normal((2, 4, 8, 8)))
DEVIATIONS = (0.25, 0.6)
WEIGHTS = (0.35, 0.65)

_NOISE = torch.tensor(np.random.RandomState(5678).standard_normal((65, 2, 4, 8, 8)))
START_NOISE, LATER_NOISE = _NOISE[0], _NOISE[1:]


def denoise(x: Tensor, sigma: Tensor, means: Tensor = MEANS) -> Tensor:
    """Return the posterior mean of x0 for x [B,4,8,8] at sigma [B]; `means` is [2,4,8,8] or [2,B,4,8,8]."""
    sigma = sigma[:, None, None, None]
    log_weights: list[Tensor] = []
    posterior_means: list[Tensor] = []
    for mean, deviation, weight in zip(means.to(x.dtype), DEVIATIONS, WEIGHTS, strict=True):
        variance = deviation**2 + sigma**2
        log_weights.append(log(weight) - 0.5 * variance.log() - (x - mean) ** 2 / (2 * variance))
        posterior_means.append(mean + deviation**2 / variance * (x - mean))
    first = torch.sigmoid(log_weights[0] - log_weights[1])
    return first * posterior_means[0] + (1 - first) * posterior_means[1]


class Network:
    """The same model as a network: predicts noise or velocity from scaled input, timestep and cross-attention tokens.

    The prompt moves the means by the average of its tokens. Remembers the timestep and the batch of each call.
    """

    def __init__(self, table: str, *, velocity: bool, half_precision: bool = False) -> None:
        alphas = alphas_cumprod(table)
        self._noise = DiscreteNoise((alphas.half() if half_precision else alphas).double())
        self._velocity = velocity
        self.calls: list[tuple[float, int]] = []

    def __call__(self, x: Tensor, t: Tensor, cross_attention: Tensor) -> Tensor:
        self.calls.append((t[0].item(), len(x)))
        sigma = self._noise.t_to_sigma(t.double())
        scale = (sigma**2 + 1).sqrt()[:, None, None, None]
        noisy = x.double() * scale
        shift = cross_attention.double().mean((1, 2))[:, None, None, None]
        clean = denoise(noisy, sigma, MEANS[:, None] + shift)
        noise = (noisy - clean) / sigma[:, None, None, None]
        if not self._velocity:
            return noise.to(x.dtype)
        return ((noise - sigma[:, None, None, None] * clean) / scale).to(x.dtype)
