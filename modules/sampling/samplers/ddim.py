"""DDIM (arXiv:2010.02502): deterministic at eta 0, like DDPM's sampling (arXiv:2006.11239) at eta 1."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from modules.sampling.samplers.base import NoiseSource, OnStep, levels_of
from modules.sampling.samplers.timesteps import NoiseModel, TimestepOptions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DdimStep:
    """The coefficients of one step, 0-dim and on the CPU.

    Attributes:
        i: number of the step, from 0.
        timestep: where it begins.
        end: the timestep where it ends.
        picture: sqrt(a), what is left of the picture's deviation where the step begins.
        noise: sqrt(1 - a), how much noise there is.
        picture_after: sqrt(a) where it ends.
        noise_after: how much of the noise is kept there.
        fresh: how much fresh noise is added (the paper's sigma).
    """

    i: int
    timestep: Tensor
    end: Tensor
    picture: Tensor
    noise: Tensor
    picture_after: Tensor
    noise_after: Tensor
    fresh: Tensor

    @classmethod
    def all_of(cls, x: Tensor, timesteps: Tensor, alphas_cumprod: Tensor, eta: float) -> list[Self]:
        """Return the steps for pictures like `x` through `timesteps` [steps + 1] (section 4.1, equations 12 and 16).

        They are rounded where the reference rounds: `fresh` from quotients in the table's precision, all else in that
        of x.
        """
        alphas, following = alphas_cumprod[timesteps[:-1]], alphas_cumprod[timesteps[1:]].double()
        share = (1 - following) * (1 - alphas).reciprocal() * (1 - alphas / following)
        fresh = (eta * share.sqrt()).to(x.dtype)
        noise = (1 - alphas).sqrt().to(x.dtype)
        alphas, following = alphas.to(x.dtype), following.to(x.dtype)
        noise_after = (1 - following - fresh**2).sqrt()
        return [
            cls(
                i=i,
                timestep=timesteps[i],
                end=timesteps[i + 1],
                picture=alphas[i].sqrt(),
                noise=noise[i],
                picture_after=following[i].sqrt(),
                noise_after=noise_after[i],
                fresh=fresh[i],
            )
            for i in range(len(alphas))
        ]

    @property
    def sigma(self) -> Tensor:
        """The noise level at the scale of k-diffusion's samplers."""
        return self.noise / self.picture

    def denoised(self, x: Tensor, eps: Tensor) -> Tensor:
        """Return the picture in `x` if `eps` is the noise in it."""
        return (x - self.noise * eps) / self.picture

    def renoised(self, denoised: Tensor, eps: Tensor) -> Tensor:
        """Return the picture with the kept noise `eps`, without the fresh one."""
        return self.picture_after * denoised + self.noise_after * eps


def ddim(
    model: NoiseModel,
    x: Tensor,
    timesteps: Tensor,
    alphas_cumprod: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: TimestepOptions,
) -> Tensor:
    """Denoise, then put less of the same noise back."""
    for step in DdimStep.all_of(x, timesteps, alphas_cumprod, options.eta):
        eps = model(x, levels_of(x, step.timestep))
        denoised = step.denoised(x, eps)
        on_step(step.i, step.sigma, x, denoised)
        x = step.renoised(denoised, eps)
        if options.eta > 0:
            x = x + step.fresh * noise.next()
    return x
