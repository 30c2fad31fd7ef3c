"""Which VAE a checkpoint is used with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from modules.library.named_file import NamedFile

AUTOMATIC, NONE = "Automatic", "None"
VAE_HASH_DIGITS = 10
"""Of the sha256 of its file, in infotexts."""

_AUTOMATIC = (AUTOMATIC, "auto", "")


File = TypeVar("File", bound=NamedFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeChoice(Generic[File]):
    """What was chosen.

    Attributes:
        file: None for the checkpoint's own.
        missing: names that were asked for and that no VAE has.
    """

    file: File | None = None
    missing: tuple[str, ...] = ()


def choose_vae(
    checkpoint: Path,
    vaes: Sequence[File],
    *,
    setting: str = AUTOMATIC,
    preferred: str | None = None,
    setting_wins: bool = True,
) -> VaeChoice[File]:
    """Choose a VAE in A1111's order.

    That is the one which people prefer for this checkpoint, else one whose file name begins with the checkpoint's (the
    first of `vaes`, so "model.safetensors" may take "model-b.vae.pt"), else the one that the settings name. A setting
    that names one comes first if it wins, and names that no VAE has are passed over.

    Args:
        checkpoint: its file or folder.
        vaes: those that there are, in the order in which they are shown.
        setting: "Automatic", "None" for the checkpoint's own, or a name: A1111's option `sd_vae`.
        preferred: likewise, from the checkpoint's notes.
        setting_wins: over what is preferred, unless it is "Automatic": the option
            `sd_vae_overrides_per_model_preferences`.
    """
    by_name = {file.name: file for file in vaes}
    wins = setting_wins and setting not in _AUTOMATIC
    missing: list[str] = []
    for wish in [setting] if wins else [preferred or AUTOMATIC, AUTOMATIC, setting]:
        if wish == NONE:
            break
        found = _near(checkpoint, vaes) if wish in _AUTOMATIC else by_name.get(wish)
        if found is not None:
            return VaeChoice(file=found, missing=tuple(missing))
        if wish not in _AUTOMATIC:
            missing.append(wish)
    return VaeChoice(missing=tuple(missing))


def _near(checkpoint: Path, vaes: Sequence[File]) -> File | None:
    base = checkpoint.name.rpartition(".")[0] or checkpoint.name
    return next((file for file in vaes if file.path.name.startswith(base)), None)
