"""SDE-DPM-Solver++(2M) (arXiv:2211.01095, section 5), as in k-diffusion (MIT): DPM++ 2M SDE and DPM++ 2M SDE Heun."""

from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, SolverOptions, levels_of, steps_of
from modules.sampling.samplers.dpmpp import sde_first_order, sde_noise


def dpmpp_2m_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    noise: NoiseSource,
    on_step: OnStep,
    options: SolverOptions,
    *,
    heun: bool = False,
) -> Tensor:
    """Correct each first-order step by how the denoised picture has changed since the step before.

    With `heun` the change is taken to be linear in log sigma along the step; else it is what it is in the middle.
    """
    earlier: tuple[Tensor, Tensor] | None = None
    for i, sigma, following in steps_of(sigmas):
        denoised = denoise(x, levels_of(x, sigma))
        on_step(i, sigma, x, denoised)
        if following == 0:
            x = denoised
            continue
        h = sigma.log() - following.log()
        x = sde_first_order(x, denoised, h, options)
        if earlier is not None:
            earlier_denoised, earlier_h = earlier
            decay = h * (1 + options.eta)
            weight = (-decay).expm1() / decay + 1 if heun else -(-decay).expm1() / 2
            x = x + (denoised - earlier_denoised) * (weight * h / earlier_h)
        x = sde_noise(x, sigma, following, noise, options)
        earlier = denoised, h
    return x
