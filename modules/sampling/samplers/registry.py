"""Every solver by its label in `core.samplers.SAMPLERS`.

A new one is its file, a line here, a row there and an oracle test.
"""

from modules.sampling.samplers.base import Sampler, deterministic
from modules.sampling.samplers.dpmpp_2m import dpmpp_2m
from modules.sampling.samplers.euler import euler
from modules.sampling.samplers.euler_ancestral import euler_ancestral
from modules.sampling.samplers.heun import heun

SOLVERS: dict[str, Sampler] = {
    "DPM++ 2M": deterministic(dpmpp_2m),
    "Euler a": euler_ancestral,
    "Euler": deterministic(euler),
    "Heun": deterministic(heun),
}
