"""The models of one kind: what is there now, and what is known of it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from modules.core.cancellation import CancelToken
from modules.library.indexer import Indexer
from modules.library.kinds import ModelKind
from modules.library.model_folder import ModelFile
from modules.library.shelf import Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the list of files of one kind comes from.

    Attributes:
        files: returns it; the same tuple as long as nothing was added, removed or renamed.
        refresh: looks for the files anew.
    """

    files: Callable[[], tuple[ModelFile, ...]]
    refresh: Callable[[], None]


class Section:
    """Keeps the shelf of one kind up to date. Safe to use from several threads."""

    def __init__(self, place: ModelKind, source: Source, indexer: Indexer) -> None:
        """Read the files of `source` by `indexer`, which nobody else uses."""
        self._place = place
        self._source = source
        self._indexer = indexer
        self._indexing = threading.Lock()
        self._files: tuple[ModelFile, ...] | None = None
        self._shelf = Shelf(())
        self._progress: tuple[int, int] | None = None

    def current(self, token: CancelToken) -> Shelf:
        """Return the shelf, with files that were added, removed or renamed since the last call.

        Raises:
            Interrupted: `token` was interrupted before all new files were read.
        """
        with self._indexing:
            files = self._source.files()
            if files is not self._files:
                self._index(files, token)
            return self._shelf

    def refresh(self, token: CancelToken) -> Shelf:
        """Look at every file again, also at those beside it, and return the shelf.

        Raises:
            Interrupted: as for `current`.
        """
        with self._indexing:
            self._source.refresh()
            self._index(self._source.files(), token)
            return self._shelf

    @property
    def progress(self) -> tuple[int, int] | None:
        """How many of how many files have been looked at, None while nobody looks at any."""
        return self._progress

    def _index(self, files: tuple[ModelFile, ...], token: CancelToken) -> None:
        def on_progress(done: int) -> None:
            self._progress = done, len(files)

        try:
            self._shelf = Shelf(self._indexer.index(self._place, files, token, on_progress))
            self._files = files
        finally:
            self._progress = None
