"""What other programs call our samplers and schedule types.

Sources: ComfyUI `comfy/samplers.py`, Fooocus `modules/flags.py`, InvokeAI `SCHEDULER_NAME_VALUES`, Draw Things'
sampler menu. Names and facts only.
"""

from typing import NamedTuple

from modules.core.errors import UnknownName
from modules.core.samplers import AUTOMATIC, UNIFORM, find_sampler, find_scheduler, split_combined_name


class Match(NamedTuple):
    """One of our labels for another program's name.

    Attributes:
        label: ours.
        note: how it differs; empty when it means the same.
    """

    label: str
    note: str = ""


class SamplerMatch(NamedTuple):
    """Our labels for a name that says both."""

    sampler: Match
    scheduler: Match


_COMFY_SAMPLERS = {
    "euler": Match("Euler"),
    "euler_ancestral": Match("Euler a"),
    "heun": Match("Heun"),
    "heunpp2": Match("HeunPP2"),
    "dpm_2": Match("DPM2"),
    "dpm_2_ancestral": Match("DPM2 a"),
    "lms": Match("LMS"),
    "dpm_fast": Match("DPM fast"),
    "dpm_adaptive": Match("DPM adaptive"),
    "dpmpp_2s_ancestral": Match("DPM++ 2S a"),
    "dpmpp_sde": Match("DPM++ SDE"),
    "dpmpp_2m": Match("DPM++ 2M"),
    "dpmpp_2m_sde": Match("DPM++ 2M SDE"),
    "dpmpp_2m_sde_heun": Match("DPM++ 2M SDE Heun"),
    "dpmpp_3m_sde": Match("DPM++ 3M SDE"),
    "lcm": Match("LCM"),
    "ipndm": Match("IPNDM"),
    "ipndm_v": Match("IPNDM_V"),
    "deis": Match("DEIS"),
    "res_multistep": Match("Res Multistep"),
    "er_sde": Match("ER SDE"),
    "sa_solver": Match("SA Solver"),
    "restart": Match("Restart"),
    "tcd": Match("TCD"),
    "ddim": Match("Euler"),  # which it is called there
    "ddim_v3": Match("DDIM", "A variant of DDIM."),
    "uni_pc": Match("UniPC", "Here, UniPC chooses its steps by itself."),
    "uni_pc_bh2": Match("UniPC", "Here, UniPC chooses its steps by itself; its variant is a setting."),
    "ddpm": Match("Euler a", "DDPM is not there; Euler a is akin to it."),
    "euler_cfg_pp": Match("Euler", "Without CFG++."),
    "euler_ancestral_cfg_pp": Match("Euler a", "Without CFG++."),
    "dpmpp_2m_cfg_pp": Match("DPM++ 2M", "Without CFG++."),
    "dpmpp_2s_ancestral_cfg_pp": Match("DPM++ 2S a", "Without CFG++."),
    "res_multistep_cfg_pp": Match("Res Multistep", "Without CFG++."),
    "res_multistep_ancestral": Match("Res Multistep", "Without its fresh noise."),
    "sa_solver_pece": Match("SA Solver", "Without its second evaluation."),
}
_COMFY_SCHEDULERS = {
    "ddim_uniform": Match("DDIM"),
    "turbo": Match("SGM Uniform", "The schedule of turbo models is not there."),
    "lcm": Match("SGM Uniform", "The schedule of LCM belongs to its sampler here."),
    "tcd": Match("SGM Uniform", "The schedule of TCD belongs to its sampler here."),
    "edm_playground_v2.5": Match("Karras", "The limits of Playground's schedule are not there."),
    "native": Match(AUTOMATIC),
}

_DIFFUSERS_STEPS = "diffusers places the steps a little differently."
_INVOKE_SAMPLERS = {
    "ddim": "DDIM",
    "ddpm": "Euler a",
    "deis": "DEIS",
    "lms": "LMS",
    "pndm": "PLMS",
    "plms": "PLMS",
    "heun": "Heun",
    "euler": "Euler",
    "euler_a": "Euler a",
    "kdpm_2": "DPM2",
    "kdpm_2_a": "DPM2 a",
    "dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "dpmpp_2": "DPM++ 2M",
    "dpmpp_2_a": "DPM++ 2S a",
    "dpmpp_2s": "DPM++ 2S a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_3m": "DPM++ 2M",
    "dpmpp_sde": "DPM++ SDE",
    "er_sde": "ER SDE",
    "unipc": "UniPC",
    "lcm": "LCM",
    "tcd": "TCD",
}
_INVOKE_NOTES = {
    "ddpm": "DDPM is not there; Euler a is akin to it.",
    "dpmpp_2s": "There it adds no noise.",
    "dpmpp_3m": "Of the second order instead of the third.",
}


def comfy_sampler(name: str) -> Match | None:
    """Return our sampler for a name of ComfyUI, Fooocus or NovelAI; None when there is none."""
    folded = name.strip().casefold().removeprefix("k_").removesuffix("_gpu")
    return _COMFY_SAMPLERS.get(folded) or _by_label(name)


def comfy_scheduler(name: str) -> Match | None:
    """Return our schedule type for a name of ComfyUI, Fooocus or NovelAI; None when there is none."""
    folded = name.strip().casefold()
    if folded in _COMFY_SCHEDULERS:
        return _COMFY_SCHEDULERS[folded]
    try:
        return Match(find_scheduler(folded).label)
    except UnknownName:
        return None


def invoke_sampler(name: str) -> SamplerMatch | None:
    """Return our sampler and schedule type for one of InvokeAI's schedulers; "_k" at its end means Karras.

    Versions before 3 put "k_" before the names of k-diffusion's samplers instead, and had no Karras schedule then.
    """
    folded = name.strip().casefold().removeprefix("k_")
    karras, base = folded.endswith("_k"), folded.removesuffix("_k")
    if base not in _INVOKE_SAMPLERS:
        return None
    note = _INVOKE_NOTES.get(base, "")
    return SamplerMatch(
        Match(_INVOKE_SAMPLERS[base], note), Match("Karras" if karras else UNIFORM, "" if karras else _DIFFUSERS_STEPS)
    )


def draw_things_sampler(name: str) -> SamplerMatch | None:
    """Return our sampler and schedule type for one of Draw Things' samplers."""
    note = ""
    for ending, ours in ((" Trailing", " SGM Uniform"), (" AYS", " Align Your Steps"), (" Substep", "")):
        if name.endswith(ending):
            name, note = name.removesuffix(ending) + ours, f"There:{ending.lower()}."
    try:
        sampler, scheduler = split_combined_name(name)
    except UnknownName:
        return None
    return SamplerMatch(Match(sampler, note), Match(scheduler, note))


def _by_label(name: str) -> Match | None:
    try:
        return Match(find_sampler(name).name)
    except UnknownName:
        return None
