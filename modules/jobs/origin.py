"""Who has submitted a job."""

from enum import StrEnum


class Origin(StrEnum):
    """What becomes of a job when the server ends before it: a page finds it again, all others wait in vain."""

    PAGE = "page"
    OTHER = "other"
