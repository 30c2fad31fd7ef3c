"""Which pictures a request makes together, and with which seeds."""

from collections.abc import Iterator
from dataclasses import dataclass

from modules.core.parameters import Generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Pictures that are sampled together.

    Attributes:
        index: number of the batch, from 0.
        first: number of its first picture among all of the request.
        seeds: of each picture.
        subseeds: variation seed of each picture.
    """

    index: int
    first: int
    seeds: tuple[int, ...]
    subseeds: tuple[int, ...]


def seed_of(request: Generation, number: int) -> int:
    """Return the seed of one picture of a request, counted from 0.

    Seeds count up from picture to picture. With a variation they stay, and only the variation seeds count up.
    """
    return request.seed + (number if request.subseed_strength == 0 else 0)


def batches(request: Generation) -> Iterator[Batch]:
    """Yield the batches of a request."""
    for index in range(request.batch_count):
        numbers = range(index * request.batch_size, (index + 1) * request.batch_size)
        yield Batch(
            index=index,
            first=numbers.start,
            seeds=tuple(seed_of(request, number) for number in numbers),
            subseeds=tuple(request.subseed + number for number in numbers),
        )
