"""Model files that lie in a folder for models of another kind."""

from collections.abc import Mapping
from pathlib import Path

from modules.core.paths import Paths
from modules.library.kinds import FOR_PEOPLE, ModelKind
from modules.library.model_entry import ModelEntry


def home_folders(paths: Paths) -> Mapping[ModelKind, Path]:
    """Return the folder into which models of each kind belong, for those that are used."""
    roots = {
        ModelKind.CHECKPOINT: paths.checkpoints,
        ModelKind.LORA: paths.lora,
        ModelKind.EMBEDDING: paths.embeddings,
        ModelKind.HYPERNETWORK: paths.hypernetworks,
        ModelKind.VAE: paths.vae,
        ModelKind.UPSCALER: paths.upscalers,
    }
    return {kind: folders[0] for kind, folders in roots.items()}


def misplacement(entry: ModelEntry, homes: Mapping[ModelKind, Path]) -> str | None:
    """Return what a file is and where it belongs, as a sentence; None if it lies right or nobody knows what it is."""
    content = entry.facts.content
    if content.kind in (entry.place, ModelKind.UNKNOWN):
        return None
    what = FOR_PEOPLE[content.kind] + (f" for {entry.facts.family}" if entry.facts.family else "")
    remedy = f"Move it to {homes[content.kind]}." if content.kind in homes else "This version does not use such files."
    return f"“{entry.relative}” is {what}, not {FOR_PEOPLE[entry.place]}. {remedy}"
