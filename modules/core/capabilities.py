"""What a worker offers; fills the page's drop-downs and the API's lists."""

from dataclasses import dataclass

from modules.core.samplers import SAMPLERS, SCHEDULERS, SamplerInfo, SchedulerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Bytes of one kind of memory."""

    free: int
    used: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a worker can do, and in what state it is.

    Attributes:
        samplers: rows of the sampler drop-down.
        schedulers: rows of the schedule-type drop-down.
        device_memory: of an accelerator; None on a CPU.
    """

    samplers: tuple[SamplerInfo, ...] = SAMPLERS
    schedulers: tuple[SchedulerInfo, ...] = SCHEDULERS
    device_memory: MemoryUse | None = None
