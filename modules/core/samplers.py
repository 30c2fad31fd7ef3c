"""What a person sees of samplers and schedule types: names, aliases, what each one is like.

The solvers themselves are in `modules/sampling/samplers/`; a test keeps both lists equal. This table imports no torch,
so that the page can fill its drop-downs while torch still loads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from modules.core.errors import UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerInfo:
    """One row of the sampler drop-down (names, aliases and properties of A1111 1.10).

    Attributes:
        name: label, as in infotexts.
        aliases: other names that API clients use, lower case.
        automatic_schedule: label of the schedule type that "Automatic" means for this sampler.
        calls_per_step: how often it calls the model for one step; by calls prompts that change count their steps.
        uses_ensd: the noise it adds is re-seeded with seed + eta noise seed delta.
        uses_eta: eta scales the noise it adds. It is the setting `eta_ddim` for samplers with `timesteps`, the setting
            `eta_ancestral` for all others.
        churns: noise may be added before each step (`s_churn`, `s_tmin`, `s_tmax`; arXiv:2206.00364, algorithm 2).
        scales_noise: `s_noise` scales the noise it adds.
        brownian_noise: its noise is that of a Brownian path, not of the picture's random generator.
        solver_type: name of the method within its family, where the family has several.
        discard_next_to_last_sigma: its schedule has one level more, of which the last above 0 is left out.
        ends_only: it chooses its own noise levels between the highest and the lowest; schedule types have no effect.
        timesteps: it walks over training timesteps instead of noise levels; schedule types have no effect.
        consistency: it visits only the levels of latent consistency distillation (arXiv:2310.04378).
    """

    name: str
    aliases: tuple[str, ...] = ()
    automatic_schedule: str = "Uniform"
    calls_per_step: int = 1
    uses_ensd: bool = False
    uses_eta: bool = False
    churns: bool = False
    scales_noise: bool = False
    brownian_noise: bool = False
    solver_type: str | None = None
    discard_next_to_last_sigma: bool = False
    ends_only: bool = False
    timesteps: bool = False
    consistency: bool = False

    @property
    def second_order(self) -> bool:
        """Whether each step takes two model calls."""
        return self.calls_per_step == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerInfo:
    """One row of the schedule-type drop-down.

    Attributes:
        label: name shown and written to infotexts.
        name: lower-case key of A1111's API.
        aliases: other names.
        default_rho: the curve's exponent, -1 where it has none.
        needs_model: the schedule is computed from the model's own table of sigmas.
    """

    label: str
    name: str
    aliases: tuple[str, ...] = ()
    default_rho: float = -1
    needs_model: bool = False


_A1111_SAMPLERS: tuple[SamplerInfo, ...] = (
    SamplerInfo(name="DPM++ 2M", aliases=("k_dpmpp_2m",), automatic_schedule="Karras"),
    SamplerInfo(
        name="DPM++ SDE",
        aliases=("k_dpmpp_sde",),
        automatic_schedule="Karras",
        calls_per_step=2,
        uses_eta=True,
        scales_noise=True,
        brownian_noise=True,
    ),
    SamplerInfo(
        name="DPM++ 2M SDE",
        aliases=("k_dpmpp_2m_sde",),
        automatic_schedule="Exponential",
        uses_eta=True,
        scales_noise=True,
        brownian_noise=True,
    ),
    SamplerInfo(
        name="DPM++ 2M SDE Heun",
        aliases=("k_dpmpp_2m_sde_heun",),
        automatic_schedule="Exponential",
        uses_eta=True,
        scales_noise=True,
        brownian_noise=True,
        solver_type="heun",
    ),
    SamplerInfo(
        name="DPM++ 2S a",
        aliases=("k_dpmpp_2s_a",),
        automatic_schedule="Karras",
        calls_per_step=2,
        uses_ensd=True,
        uses_eta=True,
        scales_noise=True,
    ),
    SamplerInfo(
        name="DPM++ 3M SDE",
        aliases=("k_dpmpp_3m_sde",),
        automatic_schedule="Exponential",
        uses_eta=True,
        scales_noise=True,
        brownian_noise=True,
        discard_next_to_last_sigma=True,
    ),
    SamplerInfo(name="Euler a", aliases=("k_euler_a", "k_euler_ancestral"), uses_ensd=True, uses_eta=True),
    SamplerInfo(name="Euler", aliases=("k_euler",), churns=True, scales_noise=True),
    SamplerInfo(name="LMS", aliases=("k_lms",)),
    SamplerInfo(name="Heun", aliases=("k_heun",), calls_per_step=2, churns=True, scales_noise=True),
    SamplerInfo(
        name="DPM2",
        aliases=("k_dpm_2",),
        automatic_schedule="Karras",
        calls_per_step=2,
        churns=True,
        scales_noise=True,
        discard_next_to_last_sigma=True,
    ),
    SamplerInfo(
        name="DPM2 a",
        aliases=("k_dpm_2_a",),
        automatic_schedule="Karras",
        calls_per_step=2,
        uses_ensd=True,
        uses_eta=True,
        scales_noise=True,
        discard_next_to_last_sigma=True,
    ),
    SamplerInfo(
        name="DPM fast", aliases=("k_dpm_fast",), uses_ensd=True, uses_eta=True, scales_noise=True, ends_only=True
    ),
    SamplerInfo(name="DPM adaptive", aliases=("k_dpm_ad",), uses_ensd=True, uses_eta=True, ends_only=True),
    SamplerInfo(name="Restart", aliases=("restart",), automatic_schedule="Karras", calls_per_step=2),
    SamplerInfo(name="DDIM", aliases=("ddim",), uses_eta=True, timesteps=True),
    SamplerInfo(name="DDIM CFG++", aliases=("ddim_cfgpp",), uses_eta=True, timesteps=True),
    SamplerInfo(name="PLMS", aliases=("plms",), timesteps=True),
    SamplerInfo(name="UniPC", aliases=("unipc",), timesteps=True),
    SamplerInfo(name="LCM", aliases=("k_lcm",), consistency=True),
)

_MORE_SAMPLERS: tuple[SamplerInfo, ...] = (
    SamplerInfo(name="HeunPP2", aliases=("heunpp2",), calls_per_step=3, churns=True, scales_noise=True),
    SamplerInfo(name="IPNDM", aliases=("ipndm",)),
    SamplerInfo(name="IPNDM_V", aliases=("ipndm_v",)),
    SamplerInfo(name="DEIS", aliases=("deis",)),
    SamplerInfo(name="Res Multistep", aliases=("res_multistep",)),
    SamplerInfo(name="ER SDE", aliases=("er_sde",), uses_ensd=True, scales_noise=True),
    SamplerInfo(name="SA Solver", aliases=("sa_solver",), uses_ensd=True, uses_eta=True, scales_noise=True),
    SamplerInfo(name="TCD", aliases=("tcd",), uses_ensd=True, timesteps=True),
)

SAMPLERS: tuple[SamplerInfo, ...] = _A1111_SAMPLERS + _MORE_SAMPLERS
"""In the order of the drop-down: A1111 1.10's, then those that it has not."""

AUTOMATIC = "Automatic"
UNIFORM = "Uniform"

SCHEDULERS: tuple[SchedulerInfo, ...] = (
    SchedulerInfo(label=AUTOMATIC, name="automatic"),
    SchedulerInfo(label=UNIFORM, name="uniform", needs_model=True),
    SchedulerInfo(label="Karras", name="karras", default_rho=7.0),
    SchedulerInfo(label="Exponential", name="exponential"),
    SchedulerInfo(label="Polyexponential", name="polyexponential", default_rho=1.0),
    SchedulerInfo(label="SGM Uniform", name="sgm_uniform", aliases=("SGMUniform",), needs_model=True),
    SchedulerInfo(label="KL Optimal", name="kl_optimal"),
    SchedulerInfo(label="Align Your Steps", name="align_your_steps"),
    SchedulerInfo(label="Simple", name="simple", needs_model=True),
    SchedulerInfo(label="Normal", name="normal", needs_model=True),
    SchedulerInfo(label="DDIM", name="ddim", needs_model=True),
    SchedulerInfo(label="Beta", name="beta", needs_model=True),
)

_SAMPLERS_BY_NAME = {name.casefold(): info for info in SAMPLERS for name in (info.name, *info.aliases)}
_SCHEDULERS_BY_NAME = {name.casefold(): info for info in SCHEDULERS for name in (info.label, info.name, *info.aliases)}
_ALIAS_ENDINGS = {"Karras": "_ka", "Exponential": "_exp"}  # k_dpmpp_2m_ka is DPM++ 2M Karras


def _combined_names() -> Iterator[tuple[str, tuple[str, str]]]:
    """Every name that says both, as A1111 ≤ 1.8 had them in one drop-down, with the two labels it stands for."""
    for sampler in SAMPLERS:
        for scheduler in SCHEDULERS[1:]:
            labels = sampler.name, scheduler.label
            for ending in (scheduler.label, scheduler.name, *scheduler.aliases):
                for beginning in (sampler.name, *sampler.aliases):
                    yield f"{beginning} {ending}".casefold(), labels
            if scheduler.label in _ALIAS_ENDINGS:
                for alias in sampler.aliases:
                    yield alias + _ALIAS_ENDINGS[scheduler.label], labels


_COMBINED_NAMES = dict(_combined_names())


def find_sampler(name: str) -> SamplerInfo:
    """Return the sampler called `name` (label or alias, any case).

    Raises:
        UnknownName: there is none; the message names one that is spelled alike, or else all.
    """
    info = _SAMPLERS_BY_NAME.get(name.strip().casefold())
    if info is None:
        raise _unknown_sampler(name, {known: info.name for known, info in _SAMPLERS_BY_NAME.items()})
    return info


def find_scheduler(name: str) -> SchedulerInfo:
    """Return the schedule type called `name` (label, key or alias, any case).

    Raises:
        UnknownName: there is none; the message names one that is spelled alike, or else all.
    """
    info = _SCHEDULERS_BY_NAME.get(name.strip().casefold())
    if info is None:
        hint = _did_you_mean(name, {known: info.label for known, info in _SCHEDULERS_BY_NAME.items()})
        hint = hint or f"Known schedule types: {', '.join(info.label for info in SCHEDULERS)}."
        raise UnknownName(f"Schedule type not found: “{name}”. {hint}")
    return info


def split_combined_name(sampler: str, scheduler: str | None = None) -> tuple[str, str]:
    """Resolve names as A1111 ≤ 1.8 wrote them ("DPM++ 2M Karras") to canonical sampler and schedule-type labels.

    Args:
        sampler: a sampler's name, an alias, or an old combined name ("k_dpmpp_2m_ka" too).
        scheduler: a schedule type; when given (and not Automatic) it wins over the one in the combined name.

    Raises:
        UnknownName: the sampler or the schedule type does not exist; the message names one that is spelled alike.
    """
    named = find_scheduler(scheduler).label if scheduler else AUTOMATIC
    folded = sampler.strip().casefold()
    if folded in _SAMPLERS_BY_NAME:
        return _SAMPLERS_BY_NAME[folded].name, named
    if folded in _COMBINED_NAMES:
        base, combined = _COMBINED_NAMES[folded]
        return base, combined if named == AUTOMATIC else named
    single = {known: info.name for known, info in _SAMPLERS_BY_NAME.items()}
    raise _unknown_sampler(sampler, single | {known: " ".join(labels) for known, labels in _COMBINED_NAMES.items()})


def pasted_names(sampler: str | None, scheduler: str | None) -> tuple[str, str]:
    """Return the labels of sampler and schedule type that an infotext of any age means.

    Every infotext has to be readable, so nothing raises. As A1111 1.10 reads them: a schedule type at the end of the
    sampler's name wins over the other, the first in the table's order where two fit ("SGM Uniform" there is "Uniform";
    "SGMUniform" is not); aliases of samplers do not count; an unknown sampler is the first one, an unknown schedule
    type is Automatic; and the schedule type that Automatic means for the sampler is called Automatic.

    Args:
        sampler: the value of "Sampler", None when there is none.
        scheduler: the value of "Schedule type", None when there is none.
    """
    name, found = (sampler or "").strip(), _SCHEDULERS_BY_NAME.get((scheduler or "").strip().casefold(), SCHEDULERS[0])
    for info in SCHEDULERS:
        for ending in (info.label, info.name, *info.aliases):
            if name.endswith(f" {ending}"):
                name, found = name.removesuffix(f" {ending}"), info
    by_label = {info.name.casefold(): info for info in SAMPLERS}
    meant = by_label.get(name.casefold(), SAMPLERS[0])
    is_own = found.label == meant.automatic_schedule != UNIFORM
    return meant.name, AUTOMATIC if is_own else found.label


def _unknown_sampler(name: str, known: Mapping[str, str]) -> UnknownName:
    hint = _did_you_mean(name, known) or f"Known samplers: {', '.join(info.name for info in SAMPLERS)}."
    return UnknownName(f"Sampler not found: “{name}”. {hint}")


def _did_you_mean(name: str, known: Mapping[str, str]) -> str | None:
    """A question about the name spelled most like `name`; `known` maps what people write to the label it stands for."""
    close = get_close_matches(name.strip().casefold(), known, n=1, cutoff=0.7)
    return f"Did you mean “{known[close[0]]}”?" if close else None
