"""Things that take turns while a picture is sampled."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline(Generic[T_co]):
    """Which value holds during which model call.

    Attributes:
        ends: number of the last call, counted from 0, of each value; ascending.
        values: as many, at least one.
    """

    ends: tuple[int, ...]
    values: tuple[T_co, ...]

    def at(self, call: int) -> T_co:
        """Return what holds during `call`; past the last end that is the first value, as in A1111."""
        index = bisect_left(self.ends, call)
        return self.values[index if index < len(self.ends) else 0]
