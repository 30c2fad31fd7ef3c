"""Which sampler and schedule type an infotext of any age means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from modules.core.errors import UnknownName
from modules.core.samplers import (
    AUTOMATIC,
    UNIFORM,
    find_sampler,
    find_scheduler,
    pasted_names,
    split_combined_name,
)
from modules.imaging.infotext_upgrade import is_before_schedule_types

SAME = ("Use same sampler", "Use same scheduler")

SAMPLER, SCHEDULER = "Sampler", "Schedule type"
HIRES_SAMPLER, HIRES_SCHEDULER = "Hires sampler", "Hires schedule type"

_FIND: dict[str, Callable[[str], object]] = {
    SAMPLER: split_combined_name,
    SCHEDULER: find_scheduler,
    HIRES_SAMPLER: split_combined_name,
    HIRES_SCHEDULER: find_scheduler,
}
_KARRAS_BY_ITSELF = "Restart"  # the only sampler of A1111 1.8 whose schedule type was not in its name


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerNames:
    """Labels of samplers and schedule types; a schedule type is called Automatic where that means the same.

    Attributes:
        sampler: None when the infotext names none that is known.
        scheduler: likewise.
        hires_sampler: of the second pass, None for the first pass'.
        hires_scheduler: likewise.
        unknown: keys and values that name what is not known.
    """

    sampler: str | None
    scheduler: str | None
    hires_sampler: str | None
    hires_scheduler: str | None
    unknown: dict[str, str] = field(default_factory=dict[str, str])


def sampler_names(said: Mapping[str, str]) -> SamplerNames:
    """Return what the result of `read_infotext` says of samplers and schedule types.

    Before A1111 1.9 a schedule type was part of the sampler's name, a name without one meant the uniform schedule, and
    "Schedule type" replaced those of both passes. Since 1.9 one at the end of a sampler's name wins over that key.
    """
    old = is_before_schedule_types(said)
    named = {key: said[key] for key in _FIND if key in said and said[key] not in SAME}
    unknown = {key: name for key, name in named.items() if not _is_known(key, name)}
    known = {key: name for key, name in named.items() if key not in unknown}
    sampler, scheduler = _names(known.get(SAMPLER), known.get(SCHEDULER), old=old)
    hires = None, None
    if HIRES_SAMPLER in known or HIRES_SCHEDULER in known:
        hires = _names(
            known.get(HIRES_SAMPLER, known.get(SAMPLER)), known.get(HIRES_SCHEDULER, known.get(SCHEDULER)), old=old
        )
    if hires == (sampler, scheduler):
        hires = None, None
    return SamplerNames(
        sampler=sampler,
        scheduler=scheduler,
        hires_sampler=None if hires[0] == sampler else hires[0],
        hires_scheduler=hires[1],
        unknown=unknown,
    )


def _names(sampler: str | None, scheduler: str | None, *, old: bool) -> tuple[str | None, str | None]:
    """Return the labels of a known sampler and a known schedule type."""
    separate = find_scheduler(scheduler).label if scheduler else AUTOMATIC
    if sampler is None:
        return None, separate if scheduler else None
    name, combined = split_combined_name(sampler)
    first, second = (separate, combined) if old else (combined, separate)
    meant = second if first == AUTOMATIC else first
    if old and meant == AUTOMATIC and name != _KARRAS_BY_ITSELF:
        meant = AUTOMATIC if find_sampler(name).automatic_schedule == UNIFORM else UNIFORM
    return pasted_names(name, meant)


def _is_known(key: str, name: str) -> bool:
    try:
        _FIND[key](name)
    except UnknownName:
        return False
    return True
