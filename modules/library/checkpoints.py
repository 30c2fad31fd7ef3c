"""The checkpoints that there are, what they are called, and their hashes."""

import contextlib
import logging
import re
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError, NoModelError, UnknownName
from modules.core.paths import Paths
from modules.core.settings import Settings
from modules.library.checkpoint_info import CheckpointInfo, CheckpointInfos
from modules.library.hashing import folder_sha256, legacy_hash, weight_files
from modules.library.name_index import NameIndex, Names, split_brackets
from modules.library.natural_order import natural_key
from modules.library.remembered_hash import remembered_sha256
from modules.library.scan import FoundCheckpoint, is_checkpoint_name, scan_checkpoints
from modules.storage.a1111_hashes import A1111Hashes
from modules.storage.hashes import HashCache

log = logging.getLogger(__name__)

SHORT_HASH_DIGITS = 10
LONGEST_NAME_SHOWN = 100  # characters of a wrong name that an error repeats

_LEGACY_HASH = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFile:
    """One checkpoint on disk.

    Attributes:
        path: absolute path of the file, or of a diffusers folder.
        name: path relative to the checkpoint folder, with forward slashes and ending ("sub/tiny-sd1.safetensors").
        model_name: file name without its ending, as in infotexts; a diffusers folder's whole name.
        sha256: 64 hex digits, None while unknown. For a diffusers folder see `hashing.folder_sha256`.
        config: LDM yaml that describes it: the one beside it, else the one given by `--config`.
    """

    path: Path
    name: str
    model_name: str
    sha256: str | None = None
    config: Path | None = None

    @property
    def shorthash(self) -> str | None:
        """First 10 hex digits of the sha256 (civitai's AutoV2), None while unknown."""
        return self.sha256[:SHORT_HASH_DIGITS] if self.sha256 else None

    @property
    def title(self) -> str:
        """What drop-downs show: "name [short hash]", or just the name while the hash is unknown."""
        return f"{self.name} [{self.shorthash}]" if self.sha256 else self.name

    @property
    def flat_name(self) -> str:
        """The name without ending and with "_" for slashes: `model_name` in A1111's API."""
        return self.name.removesuffix(self.path.name).replace("/", "_") + self.model_name


class CheckpointLibrary:
    """The checkpoints in the model folders. Safe to use from several threads.

    The folders are searched when the list is first asked for, and again by `refresh`.
    """

    def __init__(self, paths: Paths, hashes: HashCache) -> None:
        """Search the folders of `paths`, and remember hashes in `hashes`."""
        self._paths = paths
        self._hashes = hashes
        self._a1111_hashes = A1111Hashes(paths.data / "cache.json")
        self._changing = threading.Lock()
        self._list: _CheckpointList | None = None
        self._hashing: dict[Path, threading.Lock] = {}
        self._infos = CheckpointInfos()

    def refresh(self) -> None:
        """Search the folders again."""
        with self._changing:
            self._list = self._scan()

    def all(self) -> tuple[CheckpointFile, ...]:
        """Return all checkpoints, sorted by name without regard to case, numbers by their value."""
        return self._current().files

    def find(self, wanted: str) -> CheckpointFile:
        """Return the checkpoint called `wanted`.

        Args:
            wanted: title, name, absolute path, file name with or without ending, sha256 or its beginning (8 digits at
                least), A1111's 8-digit hash of 2022, or a part of the title; see `NameIndex.find` for what comes first.

        Raises:
            UnknownName: there is none; the message has names that are near.
        """
        current = self._current()
        found = current.index.find(wanted) or self._with_legacy_hash(wanted)
        if found is None:
            near = current.index.near(wanted[:LONGEST_NAME_SHOWN])
            hint = f"Did you mean {' or '.join(near)}?" if near else "Refresh the list if it was added just now."
            raise UnknownName(f"There is no checkpoint called “{wanted[:LONGEST_NAME_SHOWN]}”. {hint}")
        return found

    def default(self, settings: Settings) -> CheckpointFile:
        """Return the checkpoint that `settings` ask for, or the first one when they ask for none or for a missing one.

        The demo model is chosen unasked only when there is nothing else.

        Raises:
            NoModelError: there are no checkpoints at all; the message names the folder to fill.
        """
        files = self.all()
        if not files:
            raise NoModelError(
                f"There is no checkpoint yet. Put one (.safetensors, .ckpt or a diffusers folder) into "
                f"{self._paths.checkpoints[0]} and refresh the list."
            )
        if settings.sd_model_checkpoint:
            try:
                return self.find(settings.sd_model_checkpoint)
            except UnknownName as error:
                log.warning("%s Using %s.", error, self._first(files).name)
        return self._first(files)

    def info(self, file: CheckpointFile) -> CheckpointInfo:
        """Return what `file` says about itself; its header is read when first asked for, and when it has changed."""
        return self._infos.of(file.path, file.config)

    def hashed(self, file: CheckpointFile, token: CancelToken | None = None) -> CheckpointFile:
        """Return `file` with its hash, which is computed if it is not known; the list shows it from then on.

        Raises:
            ModelFileError: the file is missing or cannot be read.
            Interrupted: `token` was interrupted meanwhile.
        """
        with self._one_at_a_time(file.path, token):
            sha256 = self._known_hash(file.path, file.name) or self._compute(file.path, token)
        result = replace(file, sha256=sha256)
        with self._changing:
            if self._list is not None and file.sha256 != sha256:
                files = (result if other.path == file.path else other for other in self._list.files)
                self._list = _CheckpointList(tuple(files))
        return result

    def _first(self, files: Sequence[CheckpointFile]) -> CheckpointFile:
        return next((file for file in files if not self.info(file).demo), files[0])

    def _current(self) -> "_CheckpointList":
        current = self._list
        if current is None:
            with self._changing:
                current = self._list = self._list or self._scan()
        return current

    def _scan(self) -> "_CheckpointList":
        """Search every folder; of files with the same name the one found first is kept."""
        found: dict[str, FoundCheckpoint] = {}
        for checkpoint in self._found():
            kept = found.setdefault(checkpoint.name, checkpoint)
            if kept is not checkpoint and kept.path.resolve() != checkpoint.path.resolve():
                log.warning("%s is left out: %s has the same name. Rename one.", checkpoint.path, kept.path)
        ordered = sorted(found.values(), key=lambda checkpoint: natural_key(checkpoint.name))
        return _CheckpointList(tuple(self._checkpoint(each) for each in ordered))

    def _found(self) -> Generator[FoundCheckpoint]:
        """Yield what all folders hold, and `--ckpt`'s file first if it is in none of them."""
        extra = self._paths.extra_checkpoint
        roots = [root.resolve() for root in self._paths.checkpoints]
        if extra is not None and not any(extra.is_relative_to(root) for root in roots):
            if extra.exists():
                config = extra.with_suffix(".yaml")
                yield FoundCheckpoint(extra, extra.name, config if config.is_file() else None)
            else:
                log.warning("The checkpoint given by --ckpt does not exist: %s", extra)
        yield from scan_checkpoints(roots)

    def _checkpoint(self, found: FoundCheckpoint) -> CheckpointFile:
        name = found.path.name
        return CheckpointFile(
            path=found.path,
            name=found.name,
            model_name=found.path.stem if is_checkpoint_name(name) else name,
            sha256=self._known_hash(found.path, found.name),
            config=found.config or self._paths.default_config,
        )

    def _known_hash(self, path: Path, name: str) -> str | None:
        if path.is_dir():
            files = {file: self._hashes.get(path / file) for file in weight_files(path)}
            known = {file: sha256 for file, sha256 in files.items() if sha256}
            return folder_sha256(known) if known and len(known) == len(files) else None
        return self._hashes.get(path) or self._a1111_hashes.get(f"checkpoint/{name}", path)

    def _compute(self, path: Path, token: CancelToken | None) -> str:
        if not path.is_dir():
            return remembered_sha256(path, self._hashes, token)
        files = weight_files(path)
        if not files:
            raise ModelFileError(f"The folder {path} holds no weights (.safetensors or .bin).")
        return folder_sha256({file: remembered_sha256(path / file, self._hashes, token) for file in files})

    def _with_legacy_hash(self, wanted: str) -> CheckpointFile | None:
        """Look for A1111's hash of 2022, as in "model.ckpt [7460a6fa]"; reads 64 KiB of each file."""
        name, bracket = split_brackets(wanted.strip())
        digits = (bracket or name).lower()
        if not _LEGACY_HASH.fullmatch(digits):
            return None
        return next((file for file in self.all() if legacy_hash(file.path) == digits), None)

    @contextlib.contextmanager
    def _one_at_a_time(self, path: Path, token: CancelToken | None) -> Generator[None]:
        """Let one thread at a time hash `path`: the others wait, and find the hash known then."""
        with self._changing:
            lock = self._hashing.setdefault(path, threading.Lock())
        while not lock.acquire(timeout=0.1):
            if token is not None:
                token.check_interrupted()
        try:
            yield
        finally:
            lock.release()


class _CheckpointList:
    """The checkpoints at one moment, with their index."""

    def __init__(self, files: tuple[CheckpointFile, ...]) -> None:
        self.files = files
        self.index = NameIndex((file, _names(file)) for file in files)


def _names(file: CheckpointFile) -> Names:
    short_title = f"{file.model_name} [{file.shorthash}]"
    return Names(
        title=file.title,
        unique=(file.name, str(file.path)),
        aliases=(file.flat_name, file.path.name, file.model_name, *([short_title] if file.sha256 else [])),
        sha256=file.sha256,
    )
