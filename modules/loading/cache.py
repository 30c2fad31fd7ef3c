"""The checkpoint in memory: loaded when first needed, replaced when another one is asked for."""

from collections.abc import Callable
from pathlib import Path

import torch

from modules.core.cancellation import CancelToken
from modules.core.flags import Flags
from modules.families.base import LoadedModel
from modules.hardware.attention import prepare_attention
from modules.hardware.dtype import Precision
from modules.hardware.memory import release
from modules.library.checkpoints import CheckpointFile
from modules.library.hashing import weight_files
from modules.loading.build import load_checkpoint


class ModelCache:
    """Holds one loaded checkpoint. Used from the GPU thread alone."""

    def __init__(self, device: torch.device, precision: Precision, flags: Flags) -> None:
        self._flags = flags
        self._device = device
        self._precision = precision
        self._source: tuple[Path, Path | None] | None = None
        self._modified: tuple[int, ...] | None = None
        self._model: LoadedModel | None = None

    def get(self, file: CheckpointFile, on_progress: Callable[[float], None], token: CancelToken) -> LoadedModel:
        """Return the model of `file`, loading it if it is not the one in memory or if it has changed on disk.

        Args:
            file: which checkpoint.
            on_progress: called with 0..1 while it is read; not called when nothing is read.
            token: lets the person give up waiting.

        Raises:
            ModelFileError: the file is missing, damaged or of the wrong kind. The cache is then empty: the model before
                was released first, so that two never need to fit in memory together.
            Interrupted: the token was interrupted.
        """
        source, modified = (file.path, file.config), _modified(file)
        # A file that was deleted since (no times of change) does not make the model in memory any worse.
        if self._model is not None and source == self._source and modified in (self._modified, None):
            return self._model
        self.clear()
        self._model = load_checkpoint(
            file.path,
            config=file.config,
            device=self._device,
            precision=self._precision,
            on_progress=on_progress,
            token=token,
        )
        prepare_attention(self._model.network, self._flags, self._device)
        self._source, self._modified = source, modified
        return self._model

    def clear(self) -> None:
        """Forget the loaded checkpoint and give its memory back."""
        self._model, self._source = None, None
        release(self._device)


def _modified(file: CheckpointFile) -> tuple[int, ...] | None:
    """Times of the last change in ns of all that the model is made from; None when a part is missing."""
    parts = [file.path / name for name in weight_files(file.path)] if file.path.is_dir() else [file.path]
    if file.config:
        parts.append(file.config)
    try:
        return tuple(part.stat().st_mtime_ns for part in parts)
    except OSError:
        return None
