"""`webui.py models list`: the library as a table."""

import argparse
import json

from modules.core.flags import Flags
from modules.frontends.cli.console import ProgressLine, complain, readable_size, say, table
from modules.library.hashing import weight_files
from modules.library.kinds import ModelKind
from modules.library.model_entry import ModelEntry
from modules.library.model_library import KINDS, ModelLibrary
from modules.library.shelf import CardQuery

_COLUMNS = ("NAME", "KIND", "FAMILY", "SIZE", "AUTOV2")


def run_list(arguments: argparse.Namespace, _: Flags, library: ModelLibrary) -> int:
    """Print the models that `arguments` ask for; return the exit status."""
    found = [entry for kind in chosen_kinds(arguments) for entry in _entries(library, kind, arguments.search)]
    wrong = [(entry, sentence) for entry in found if (sentence := library.misplacement(entry))]
    if arguments.json:
        sentences = {entry.path: sentence for entry, sentence in wrong}
        facts = [_facts(entry, library) | {"misplaced": sentences.get(entry.path)} for entry in found]
        say(json.dumps(facts, indent=2, ensure_ascii=False))
        return 0
    if found:
        for line in table([_COLUMNS, *(_row(entry, library) for entry in found)]):
            say(line)
    else:
        complain("There are no such model files.")
    for _entry, sentence in wrong:
        complain(sentence)
    return 0


def chosen_kinds(arguments: argparse.Namespace) -> tuple[ModelKind, ...]:
    """Return the kinds of folders that `--kind` wants: one, or all."""
    return (ModelKind(arguments.kind),) if arguments.kind else KINDS


def look_through(library: ModelLibrary, kind: ModelKind) -> tuple[ModelEntry, ...]:
    """Return all models of a kind; while their files are read for the first time, stderr says how far that is."""

    def progress() -> str:
        done, total = library.progress(kind) or (0, 0)
        return f"Reading {kind} files: {done:,} of {total:,}" if total else ""

    with ProgressLine(progress):
        return library.all(kind)


def _entries(library: ModelLibrary, kind: ModelKind, search: str) -> tuple[ModelEntry, ...]:
    every = look_through(library, kind)
    return library.page(CardQuery(kind=kind, search=search, count=len(every))).entries if search else every


def _kind(entry: ModelEntry) -> ModelKind:
    """What a model is; nobody may know, and then it is taken for what its folder is for."""
    kind = entry.facts.content.kind
    return entry.place if kind is ModelKind.UNKNOWN else kind


def _size(entry: ModelEntry) -> int:
    if not entry.path.is_dir():
        return entry.size
    return sum((entry.path / name).stat().st_size for name in weight_files(entry.path))


def _row(entry: ModelEntry, library: ModelLibrary) -> tuple[str, ...]:
    kind, hashes = _kind(entry), library.known_hashes(entry)
    algorithm = entry.facts.content.algorithm
    what = f"{kind} ({algorithm})" if algorithm not in ("", "LoRA") else str(kind)
    return entry.name, what, entry.family, readable_size(_size(entry)), hashes.autov2


def _facts(entry: ModelEntry, library: ModelLibrary) -> dict[str, object]:
    hashes = library.known_hashes(entry)
    return {
        "name": entry.name,
        "path": str(entry.path),
        "kind": str(_kind(entry)),
        "folder_of": str(entry.place),
        "family": entry.family,
        "size": _size(entry),
        "sha256": hashes.sha256 or None,
        "autov2": hashes.autov2 or None,
        "trigger_words": list(entry.trigger_words),
    }
