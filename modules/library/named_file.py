"""What is known of a model file wherever it is listed."""

from pathlib import Path
from typing import Protocol


class NamedFile(Protocol):
    """A model on disk."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...
