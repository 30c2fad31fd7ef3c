"""One remembered sha256 sum and the state of the file that it belongs to."""

import os
from typing import NamedTuple


class FileHash(NamedTuple):
    """What was known about a file when it was hashed.

    Attributes:
        size: bytes.
        mtime_ns: time of the last change, ns since the epoch.
        sha256: 64 hex digits.
    """

    size: int
    mtime_ns: int
    sha256: str

    def fits(self, stat: os.stat_result) -> bool:
        """Whether the file is still the one that was hashed, as far as can be told without reading it."""
        return (self.size, self.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
