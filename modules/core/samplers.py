"""What a person sees of samplers and schedule types: names, aliases, options.

The solvers themselves are in `modules/sampling/samplers/`; a test keeps both lists equal. This table imports no torch,
so that the page can fill its drop-downs while torch still loads.
"""

from dataclasses import dataclass

from modules.core.errors import UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerInfo:
    """One row of the sampler drop-down (names and aliases of A1111 1.10).

    Attributes:
        name: label, as in infotexts.
        aliases: other names that API clients use.
        automatic_schedule: label of the schedule type that "Automatic" means for this sampler.
        second_order: two model calls per step.
        uses_ensd: the ancestral noise is re-seeded with seed + eta noise seed delta.
        uses_eta: `eta` scales its ancestral noise.
    """

    name: str
    aliases: tuple[str, ...] = ()
    automatic_schedule: str = "Uniform"
    second_order: bool = False
    uses_ensd: bool = False
    uses_eta: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerInfo:
    """One row of the schedule-type drop-down.

    Attributes:
        label: name shown and written to infotexts.
        name: lower-case key of A1111's API.
        default_rho: the curve's exponent, -1 where it has none.
        needs_model: the schedule is computed from the model's own table of sigmas.
    """

    label: str
    name: str
    default_rho: float = -1
    needs_model: bool = False


SAMPLERS: tuple[SamplerInfo, ...] = (
    SamplerInfo(name="DPM++ 2M", aliases=("k_dpmpp_2m",), automatic_schedule="Karras"),
    SamplerInfo(name="Euler a", aliases=("k_euler_a", "k_euler_ancestral"), uses_ensd=True, uses_eta=True),
    SamplerInfo(name="Euler", aliases=("k_euler",)),
    SamplerInfo(name="Heun", aliases=("k_heun",), second_order=True),
)

AUTOMATIC = "Automatic"

SCHEDULERS: tuple[SchedulerInfo, ...] = (
    SchedulerInfo(label=AUTOMATIC, name="automatic"),
    SchedulerInfo(label="Uniform", name="uniform", needs_model=True),
    SchedulerInfo(label="Karras", name="karras", default_rho=7.0),
    SchedulerInfo(label="Exponential", name="exponential"),
)


def find_sampler(name: str) -> SamplerInfo:
    """Return the sampler called `name` (label or alias, any case).

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    wanted = name.strip().casefold()
    for info in SAMPLERS:
        if wanted == info.name.casefold() or wanted in info.aliases:
            return info
    raise UnknownName(f"Sampler not found: “{name}”. Known samplers: {', '.join(info.name for info in SAMPLERS)}.")


def find_scheduler(name: str) -> SchedulerInfo:
    """Return the schedule type called `name` (label or key, any case).

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    wanted = name.strip().casefold()
    for info in SCHEDULERS:
        if wanted in (info.label.casefold(), info.name):
            return info
    known = ", ".join(info.label for info in SCHEDULERS)
    raise UnknownName(f"Schedule type not found: “{name}”. Known schedule types: {known}.")


def split_combined_name(sampler: str, scheduler: str | None = None) -> tuple[str, str]:
    """Resolve names as A1111 ≤ 1.8 wrote them ("DPM++ 2M Karras") to canonical sampler and schedule-type labels.

    Args:
        sampler: a sampler's name, an alias, or an old combined name.
        scheduler: a schedule type; when given (and not Automatic) it wins over the one in the combined name.

    Raises:
        UnknownName: the sampler or the schedule type does not exist.
    """
    named = find_scheduler(scheduler).label if scheduler else AUTOMATIC
    folded = sampler.strip().casefold()
    for info in SCHEDULERS:
        suffix = f" {info.name}"
        if info.label != AUTOMATIC and folded.endswith(suffix):
            base = find_sampler(sampler.strip()[: -len(suffix)]).name
            return base, info.label if named == AUTOMATIC else named
    return find_sampler(sampler).name, named
