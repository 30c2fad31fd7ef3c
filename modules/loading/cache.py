"""Checkpoints in memory: loaded when first needed, and kept as far as settings, the job and the memory allow."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError, OutOfMemoryError
from modules.core.flags import Flags
from modules.families.base import LoadedModel
from modules.hardware.attention import prepare_attention
from modules.hardware.dtype import Precision
from modules.hardware.memory import available_bytes, is_out_of_memory, release
from modules.library.checkpoints import CheckpointFile
from modules.loading.build import AS_IT_IS, load_checkpoint
from modules.loading.diffusers_folder import files_of_folder
from modules.loading.options import LoadOptions
from modules.loading.residence import Residence

USUAL_ITEM_BYTES = 2
"""Of one number in a checkpoint's file; where it is 4, the memory that the model needs is estimated too high."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which checkpoints stay in memory beside the one that is asked for.

    Attributes:
        limit: how many there are at most, 1..10. Those that were used last stay.
        aside: only the one in use lies on the device, the others wait in main memory. On devices without memory of
            their own (CPU, MPS) this changes nothing.
        together: paths of the checkpoints that the job needs. They stay even beyond the limit, and none is read twice
            while the job makes them take turns.
    """

    limit: int = 1
    aside: bool = True
    together: frozenset[Path] = frozenset()


class ModelCache:
    """Holds loaded checkpoints. Used from the GPU thread alone.

    One that waits in main memory comes back to the device when it is asked for, and when one of its networks is called.
    """

    def __init__(
        self,
        device: torch.device,
        precision: Precision,
        flags: Flags,
        on_room_needed: Callable[[], None] = lambda: None,
    ) -> None:
        """Hold none yet.

        Args:
            device: where models compute.
            precision: in which number formats.
            flags: how.
            on_room_needed: called when the device has not enough memory for a model that is to come there, so that
                others give back what they can make again.
        """
        self._flags = flags
        self._device = device
        self._precision = precision
        self._on_room_needed = on_room_needed
        self._keep = Keep()
        self._held: dict[Path, _Held] = {}  # the one that was used last is the last one

    def __contains__(self, path: Path) -> bool:
        """Whether the checkpoint of the file or folder at `path` is in memory."""
        return path in self._held

    def get(
        self,
        file: CheckpointFile,
        keep: Keep,
        on_progress: Callable[[float], None],
        token: CancelToken,
        options: LoadOptions = AS_IT_IS,
    ) -> LoadedModel:
        """Return the model of `file`, on the device.

        It is loaded if it is not in memory, or there not as it is wished, or if it has changed on disk.
        Others are dropped before it is loaded, so that never more of them than `keep` allows are in memory.

        Args:
            file: which checkpoint.
            keep: which others stay, from now on.
            on_progress: called with 0..1 while it is read; not called when nothing is read.
            token: lets the person give up waiting.
            options: how it is read.

        Raises:
            ModelFileError: the file is missing, damaged or of the wrong kind. Those that stayed can still be used.
            OutOfMemoryError: it does not fit into memory beside those that the job needs.
            Interrupted: the token was interrupted.
        """
        self._keep = keep
        held = self._held.get(file.path)
        if held is not None and not self._is_current(held, file, options):
            held = None
            self._drop(file.path)
        self._held.pop(file.path, None)
        for path in self._spare()[: max(0, len(self._held) + 1 - keep.limit)]:
            self._drop(path)
        if held is None:
            self._make_room(file)
            held = self._load(file, on_progress, token, options)
        self._held[file.path] = held
        if held.residence is not None:
            held.residence.come()
        return held.model

    def use(self, model: LoadedModel) -> None:
        """Bring a model back to the device if it waits in main memory; for who touches weights without a call."""
        for held in self._held.values():
            if held.model.network is model.network and held.residence is not None:
                held.residence.come()

    def clear(self) -> None:
        """Forget all checkpoints and give their memory back."""
        for path in list(self._held):
            self._drop(path)

    def _load(
        self, file: CheckpointFile, on_progress: Callable[[float], None], token: CancelToken, options: LoadOptions
    ) -> "_Held":
        modified = self._modified(file)
        try:
            model = load_checkpoint(
                file.path,
                config=file.config,
                device=self._device,
                precision=self._precision,
                options=options,
                on_progress=on_progress,
                token=token,
            )
        except (RuntimeError, MemoryError) as error:
            others = ", ".join(f"“{path.name}”" for path in self._held if path in self._keep.together)
            if not others or not is_out_of_memory(error):
                raise
            release(self._device)
            raise OutOfMemoryError(
                f"“{file.path.name}” does not fit into the memory of {self._device} beside {others}, which the same "
                "request needs. Choose a smaller checkpoint, or do without a second one."
            ) from error
        prepare_attention(model.network, self._flags, self._device)
        residence = Residence(model, self._make_place) if self._device.type == "cuda" else None
        return _Held(model=model, options=options, modified=modified, residence=residence)

    def _is_current(self, held: "_Held", file: CheckpointFile, options: LoadOptions) -> bool:
        """Whether a model is what would be read from `file` now."""
        # A file that was deleted since (no times of change) does not make the model in memory any worse.
        return held.options == options and self._modified(file) in (held.modified, None)

    def _modified(self, file: CheckpointFile) -> tuple[int, ...] | None:
        """Times of the last change in ns of all that the model is made from; None when a part is missing."""
        described = [file.config] if file.config else []
        try:
            return tuple(part.stat().st_mtime_ns for part in (*self._parts(file), *described))
        except (OSError, ModelFileError):
            return None

    def _bytes(self, file: CheckpointFile) -> int:
        """About the bytes that the model will take; 0 when a part is missing."""
        try:
            on_disk = sum(part.stat().st_size for part in self._parts(file))
        except (OSError, ModelFileError):
            return 0
        return on_disk * self._precision.network.itemsize // USUAL_ITEM_BYTES

    def _parts(self, file: CheckpointFile) -> list[Path]:
        """The files that a model is made from."""
        return files_of_folder(file.path, self._precision) if file.path.is_dir() else [file.path]

    def _spare(self) -> list[Path]:
        """Those that the job does not need, the one that was not used for longest first."""
        return [path for path in self._held if path not in self._keep.together]

    def _make_room(self, file: CheckpointFile) -> None:
        """Let others wait elsewhere, and drop those that the job does not need until `file` fits."""
        if not self._held:
            return
        needed = self._bytes(file)
        self._make_place(needed)
        for path in self._spare():
            residence = self._held[path].residence
            if residence is not None and not residence.present:
                continue
            if available_bytes(self._device) >= needed:
                return
            self._drop(path)

    def _make_place(self, needed: int) -> None:
        """Let others wait elsewhere; if `needed` bytes do not fit then, let what can be made again be given back."""
        self._put_aside()
        if available_bytes(self._device) < needed:
            self._on_room_needed()
            release(self._device)

    def _put_aside(self) -> None:
        """Let all leave the device, if that is wished.

        One that main memory cannot hold is dropped; if the job needs it, it stays where it is.
        """
        if not self._keep.aside:
            return
        for path in list(self._held):
            place = self._held[path].residence
            if place is None or not place.present:
                continue
            left, place = place.leave(), None  # nothing here may hold on to what is dropped
            if left:
                release(self._device)
            elif path not in self._keep.together:
                self._drop(path)

    def _drop(self, path: Path) -> None:
        """Forget a checkpoint and give its memory back."""
        residence = self._held.pop(path).residence
        if residence is not None:
            residence.forsake()
        del residence  # which holds the model: nothing would be given back
        release(self._device)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Held:
    """A checkpoint in memory.

    Attributes:
        model: what was read.
        options: how it was read.
        modified: times of the last change of the files, and of the yaml if there was one, before they were read.
        residence: where its weights lie, None where there is one memory only.
    """

    model: LoadedModel
    options: LoadOptions
    modified: tuple[int, ...] | None
    residence: Residence | None
