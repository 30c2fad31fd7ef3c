"""The model as samplers see it: (x, sigma) → denoised."""

from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from modules.sampling.guidance import guided
from modules.sampling.prediction import DiscreteNoise, Prediction, per_picture
from modules.sampling.samplers.base import Denoise
from modules.sampling.timeline import Timeline


class Joinable(Protocol):
    """A conditioning of B pictures that may go through the network together with another one."""

    def join(self, other: Self) -> Self | None:
        """Return both as one conditioning of 2B pictures, self first, or None where they do not fit together."""
        ...


ConditioningT = TypeVar("ConditioningT", bound=Joinable)

Predict = Callable[[Tensor, Tensor, ConditioningT], Tensor]
"""A network: (x [B,C,h,w] at its input scale, timesteps [B], conditioning) → output [B,C,h,w]."""


class GuidedDenoiser(Generic[ConditioningT]):
    """Denoises with classifier-free guidance.

    Prompt and negative prompt go through the network in one call, the prompt first; one after the other if they do not
    fit together. At CFG scale 1 the negative prompt has no influence and is not computed.
    """

    def __init__(
        self,
        predict: Predict[ConditioningT],
        *,
        prediction: Prediction,
        noise: DiscreteNoise,
        cond: ConditioningT,
        uncond: ConditioningT,
        cfg_scale: float,
    ) -> None:
        self._predict = predict
        self._prediction = prediction
        self._noise = noise
        self._cond = cond
        self._uncond = uncond
        self._scale = cfg_scale
        self._guides = cfg_scale != 1
        self._both = cond.join(uncond) if self._guides else None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised pictures [B,C,h,w] for noisy ones `x` [B,C,h,w] at the noise levels `sigma` [B]."""
        if not self._guides:
            return self._denoise(x, sigma, self._cond)
        if self._both is None:
            cond = self._denoise(x, sigma, self._cond)
            uncond = self._denoise(x, sigma, self._uncond)
        else:
            cond, uncond = self._denoise(torch.cat((x, x)), torch.cat((sigma, sigma)), self._both).chunk(2)
        return guided(cond, uncond, self._scale)

    def _denoise(self, x: Tensor, sigma: Tensor, conditioning: ConditioningT) -> Tensor:
        scaled = x * per_picture(self._prediction.input_scale(sigma))
        output = self._predict(scaled, self._noise.sigma_to_t(sigma), conditioning)
        return self._prediction.denoised(output, x, sigma)


class ScheduledDenoiser(Generic[ConditioningT]):
    """Denoises with what the prompts say at each model call. Counts the calls, so it serves one sampling run."""

    def __init__(
        self,
        guided_by: Callable[[ConditioningT, ConditioningT], Denoise],
        *,
        cond: Timeline[ConditioningT],
        uncond: Timeline[ConditioningT],
    ) -> None:
        """Start before the first call.

        Args:
            guided_by: makes the denoiser for one conditioning of the prompt and one of the negative prompt.
            cond: of the prompt.
            uncond: of the negative prompt.
        """
        self._guided_by = guided_by
        self._cond = cond
        self._uncond = uncond
        self._call = 0
        self._now = cond.at(0), uncond.at(0)
        self._denoise = guided_by(*self._now)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the denoised pictures [B,C,h,w] for noisy ones `x` [B,C,h,w] at the noise levels `sigma` [B]."""
        due = self._cond.at(self._call), self._uncond.at(self._call)
        if due[0] is not self._now[0] or due[1] is not self._now[1]:
            self._now = due
            self._denoise = self._guided_by(*due)
        self._call += 1
        return self._denoise(x, sigma)
