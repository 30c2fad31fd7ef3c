"""Every solver by its label in `core.samplers.SAMPLERS`.

A new one is its file, a line here, a row there and an oracle test.
"""

from dataclasses import replace
from functools import partial

from torch import Tensor

from modules.sampling.samplers.base import Denoise, NoiseSource, OnStep, Sampler, SolverOptions, deterministic
from modules.sampling.samplers.ddim import ddim
from modules.sampling.samplers.ddim_cfgpp import ddim_cfgpp
from modules.sampling.samplers.deis import deis
from modules.sampling.samplers.dpm2 import dpm2, dpm2_ancestral
from modules.sampling.samplers.dpm_adaptive import dpm_adaptive
from modules.sampling.samplers.dpm_fast import dpm_fast
from modules.sampling.samplers.dpmpp_2m import dpmpp_2m
from modules.sampling.samplers.dpmpp_2m_sde import dpmpp_2m_sde
from modules.sampling.samplers.dpmpp_2s_ancestral import dpmpp_2s_ancestral
from modules.sampling.samplers.dpmpp_3m_sde import dpmpp_3m_sde
from modules.sampling.samplers.dpmpp_sde import dpmpp_sde
from modules.sampling.samplers.er_sde import er_sde
from modules.sampling.samplers.euler import euler
from modules.sampling.samplers.euler_ancestral import euler_ancestral
from modules.sampling.samplers.heun import heun
from modules.sampling.samplers.heunpp2 import heunpp2
from modules.sampling.samplers.ipndm import ipndm
from modules.sampling.samplers.ipndm_v import ipndm_v
from modules.sampling.samplers.lcm import lcm
from modules.sampling.samplers.lms import lms
from modules.sampling.samplers.plms import plms
from modules.sampling.samplers.res_multistep import res_multistep
from modules.sampling.samplers.restart import restart
from modules.sampling.samplers.sa_solver import sa_solver
from modules.sampling.samplers.tcd import tcd, tcd_schedule
from modules.sampling.samplers.timesteps import TimestepMethod, uniform_schedule
from modules.sampling.samplers.unipc import unipc
from modules.sampling.samplers.unipc_times import unipc_schedule


def unscaled_noise(solver: Sampler) -> Sampler:
    """Give `solver` noise of standard deviation 1 whatever `s_noise` says, as A1111 does, to reproduce its pictures."""

    def sampler(
        denoise: Denoise, x: Tensor, sigmas: Tensor, noise: NoiseSource, on_step: OnStep, options: SolverOptions
    ) -> Tensor:
        return solver(denoise, x, sigmas, noise, on_step, replace(options, s_noise=1.0))

    return sampler


SOLVERS: dict[str, Sampler] = {
    "DPM++ 2M": deterministic(dpmpp_2m),
    "DPM++ SDE": dpmpp_sde,
    "DPM++ 2M SDE": dpmpp_2m_sde,
    "DPM++ 2M SDE Heun": partial(dpmpp_2m_sde, heun=True),
    "DPM++ 2S a": dpmpp_2s_ancestral,
    "DPM++ 3M SDE": dpmpp_3m_sde,
    "Euler a": unscaled_noise(euler_ancestral),
    "Euler": euler,
    "LMS": deterministic(lms),
    "Heun": heun,
    "DPM2": dpm2,
    "DPM2 a": dpm2_ancestral,
    "DPM fast": dpm_fast,
    "DPM adaptive": unscaled_noise(dpm_adaptive),
    "Restart": unscaled_noise(restart),
    "LCM": lcm,
    "HeunPP2": heunpp2,
    "IPNDM": deterministic(ipndm),
    "IPNDM_V": deterministic(ipndm_v),
    "DEIS": deterministic(deis),
    "Res Multistep": deterministic(res_multistep),
    "ER SDE": er_sde,
    "SA Solver": sa_solver,
}

TIMESTEP_METHODS: dict[str, TimestepMethod] = {
    "DDIM": TimestepMethod(solve=ddim, schedule=uniform_schedule),
    "DDIM CFG++": TimestepMethod(solve=ddim_cfgpp, schedule=uniform_schedule),
    "PLMS": TimestepMethod(solve=plms, schedule=uniform_schedule),
    "UniPC": TimestepMethod(solve=unipc, schedule=unipc_schedule),
    "TCD": TimestepMethod(solve=tcd, schedule=tcd_schedule),
}
"""Those of them that walk over timesteps."""
