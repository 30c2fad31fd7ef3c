"""How long a job will still take."""


class Eta:
    """An estimate from the share that is done and the time it took, as A1111 makes it.

    Times are seconds of any clock that never goes back. Loading a checkpoint says nothing about the speed of the
    sampling that follows, so the clock starts anew after it.
    """

    __slots__ = ("_began", "_left", "_seen")

    def __init__(self) -> None:
        self._began = 0.0
        self._seen = 0.0
        self._left: float | None = None

    def restart(self, at: float) -> None:
        """Begin to measure at `at`, with nothing done yet."""
        self._began = at
        self._left = None

    def observe(self, fraction: float, at: float) -> None:
        """Note that `fraction` (0..1) was done at `at`."""
        if fraction > 0:
            elapsed = at - self._began
            self._left = elapsed / fraction - elapsed
            self._seen = at

    def seconds_left(self, at: float) -> float | None:
        """Return the estimate at `at`, counting down between two observations; None before the first one."""
        if self._left is None:
            return None
        return max(0.0, self._left - (at - self._seen))
