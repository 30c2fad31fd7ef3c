"""`webui.py models hash`: the hashes by which infotexts and civitai name models."""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modules.core.errors import EaselError, ModelFileError, UnknownName
from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.frontends.cli.console import ProgressLine, complain, say
from modules.frontends.cli.model_listing import chosen_kinds, look_through
from modules.library.hashing import legacy_hash
from modules.library.kinds import ModelKind
from modules.library.model_entry import ModelEntry
from modules.library.model_facts import read_facts
from modules.library.model_hashes import ModelHashes, hash_safetensors
from modules.library.model_library import ModelLibrary
from modules.library.remembered_hash import remembered_sha256
from modules.storage.hashes import HashCache


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hashed:
    """A file with its hashes."""

    path: Path
    kind: ModelKind
    hashes: ModelHashes

    def lines(self) -> dict[str, str]:
        """The hashes by what they are called."""
        found = {"sha256": self.hashes.sha256, "AutoV2": self.hashes.autov2}
        if self.kind is ModelKind.LORA:
            found["Lora hash"] = self.hashes.network
        if self.kind is ModelKind.CHECKPOINT and (legacy := legacy_hash(self.path)):
            found["A1111's hash of 2022"] = legacy
        return found


def run_hash(arguments: argparse.Namespace, flags: Flags, library: ModelLibrary) -> int:
    """Print the hashes that `arguments` ask for; return the exit status, 1 if one could not be computed."""
    kinds, status, done = chosen_kinds(arguments), 0, list[_Hashed]()
    wanted = list(_all(library, kinds)) if arguments.all else arguments.names
    for number, what in enumerate(wanted, start=1):
        try:
            found = _find(library, kinds, what) if isinstance(what, str) else what
            path = found.path if isinstance(found, ModelEntry) else found
            with ProgressLine(_progress(path, number, len(wanted))):
                hashed = _hash(found, flags, library)
        except EaselError as error:
            complain(error)
            status = 1
            continue
        done.append(hashed)
        if not arguments.json:
            _print(hashed)
    if arguments.json:
        answer = [{"path": str(each.path), "kind": str(each.kind), **each.lines()} for each in done]
        say(json.dumps(answer, indent=2, ensure_ascii=False))
    return status


def _all(library: ModelLibrary, kinds: tuple[ModelKind, ...]) -> Iterator[ModelEntry]:
    for kind in kinds:
        yield from look_through(library, kind)


def _find(library: ModelLibrary, kinds: tuple[ModelKind, ...], wanted: str) -> ModelEntry | Path:
    """Return the model that a path or a name means; a path where it lies in none of the folders.

    Raises:
        UnknownName: there is none.
    """
    path = Path(wanted).expanduser()
    if path.exists():
        real = path.resolve()
        return next((entry for entry in _all(library, kinds) if entry.path.resolve() == real), path)
    errors: list[UnknownName] = []
    for kind in kinds:
        look_through(library, kind)
        try:
            return library.find(kind, wanted)
        except UnknownName as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    raise UnknownName(f"There is no file “{wanted}”, and no model of that name. “webui.py models list” lists them.")


def _hash(found: ModelEntry | Path, flags: Flags, library: ModelLibrary) -> _Hashed:
    if isinstance(found, ModelEntry):
        return _Hashed(path=found.path, kind=found.place, hashes=library.hashes(found))
    if found.is_dir():
        raise ModelFileError(f"{found} is a folder that is in none of the model folders. Name the files in it.")
    kind = read_facts(found).facts.content.kind
    if kind is ModelKind.LORA and found.suffix.lower() == ".safetensors":
        return _Hashed(path=found, kind=kind, hashes=hash_safetensors(found))
    cache = HashCache(resolve_paths(flags).database)
    return _Hashed(path=found, kind=kind, hashes=ModelHashes(sha256=remembered_sha256(found, cache)))


def _progress(path: Path, number: int, count: int) -> Callable[[], str]:
    text = f"Hashing {number} of {count}: {path.name}"
    return lambda: text


def _print(hashed: _Hashed) -> None:
    say(str(hashed.path))
    for name, digits in hashed.lines().items():
        say(f"  {name:<20} {digits}")
