"""Adams-Bashforth extrapolation at even distances, which PLMS and IPNDM share."""

from collections import deque

from torch import Tensor


def adams_bashforth(newest: Tensor, earlier: deque[Tensor]) -> Tensor:
    """Return the mean slope of a step from the slope where it begins and up to 3 earlier ones (the latest last)."""
    if not earlier:
        return newest
    if len(earlier) == 1:
        return (3 * newest - earlier[-1]) / 2
    if len(earlier) == 2:
        return (23 * newest - 16 * earlier[-1] + 5 * earlier[-2]) / 12
    return (55 * newest - 59 * earlier[-1] + 37 * earlier[-2] - 9 * earlier[-3]) / 24
