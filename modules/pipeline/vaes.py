"""Autoencoders in files of their own, used in place of a checkpoint's."""

from dataclasses import dataclass
from pathlib import Path

import torch

from modules.core.cancellation import CancelToken
from modules.core.errors import ModelFileError
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.families.vae import Vae
from modules.library.checkpoints import CheckpointFile
from modules.library.file_state import FileState, file_state
from modules.library.kinds import ModelKind
from modules.library.model_entry import ModelEntry
from modules.library.model_library import ModelLibrary
from modules.library.vae_choice import choose_vae
from modules.loading.vae_file import load_vae


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVae:
    """A VAE that is used in place of a checkpoint's.

    Attributes:
        vae: the network.
        name: of its file.
        shorthash: 10 digits of the sha256 of its file.
    """

    vae: Vae
    name: str
    shorthash: str


class Vaes:
    """Finds and loads them; the last one stays in memory. Used from the GPU thread alone."""

    def __init__(self, library: ModelLibrary, device: torch.device, dtype: torch.dtype) -> None:
        """Look for files in `library`, and compute on `device` in `dtype`."""
        self._library = library
        self._device = device
        self._dtype = dtype
        self._known: tuple[Path, FileState | None, Vae] | None = None

    def chosen(
        self, checkpoint: CheckpointFile, model: LoadedModel, settings: Settings, token: CancelToken
    ) -> tuple[OtherVae | None, list[str]]:
        """Return the VAE to use in place of a checkpoint's, None for its own, and what was wrong, as sentences.

        Raises:
            Interrupted: the token was interrupted.
        """
        entries = self._library.all(ModelKind.VAE)
        choice = choose_vae(
            checkpoint.path,
            entries,
            setting=settings.sd_vae,
            preferred=self._preferred(checkpoint),
            setting_wins=settings.sd_vae_overrides_per_model_preferences,
        )
        problems = [f"There is no VAE called “{name}”; the checkpoint's own was used." for name in choice.missing]
        entry = next((entry for entry in entries if choice.file and entry.path == choice.file.path), None)
        if entry is None:
            return None, problems
        try:
            vae = self._loaded(entry, model, token)
            shorthash = self._library.hashes(entry, token).autov2
        except ModelFileError as error:
            return None, [*problems, f"{error} The checkpoint's own VAE was used."]
        return OtherVae(vae=vae, name=entry.path.name, shorthash=shorthash), problems

    def forget(self) -> None:
        """Give the memory of the last one back."""
        self._known = None

    def _preferred(self, checkpoint: CheckpointFile) -> str | None:
        entries = self._library.all(ModelKind.CHECKPOINT)
        entry = next((entry for entry in entries if entry.path == checkpoint.path), None)
        return None if entry is None else entry.sidecars.notes.vae or None

    def _loaded(self, entry: ModelEntry, model: LoadedModel, token: CancelToken) -> Vae:
        state = file_state(entry.path)
        if self._known is None or self._known[:2] != (entry.path, state):
            self._known = None  # first the memory is given back
            vae = load_vae(entry.path, latents=model.latent_format, device=self._device, dtype=self._dtype, token=token)
            self._known = entry.path, state, vae
        return self._known[2]
