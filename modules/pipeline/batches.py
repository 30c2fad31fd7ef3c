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


def batches(request: Generation) -> Iterator[Batch]:
    """Yield the batches of a request.

    Seeds count up from picture to picture. With a variation they stay, and only the variation seeds count up.
    """
    counts_up = request.subseed_strength == 0
    for index in range(request.batch_count):
        numbers = range(index * request.batch_size, (index + 1) * request.batch_size)
        yield Batch(
            index=index,
            first=numbers.start,
            seeds=tuple(request.seed + (number if counts_up else 0) for number in numbers),
            subseeds=tuple(request.subseed + number for number in numbers),
        )
