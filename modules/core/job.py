"""A request on its way: what the queue holds and the worker receives."""

from dataclasses import dataclass
from datetime import datetime

from modules.core.parameters import GenerationRequest
from modules.core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request with everything it depends on frozen at the moment it was submitted.

    Attributes:
        id: unique; chosen by the client (A1111's `force_task_id`) or by us.
        request: with seeds already drawn.
        settings: the snapshot that this job, and no other, is run with.
        created: time of submission, with time zone.
    """

    id: str
    request: GenerationRequest
    settings: Settings
    created: datetime
