"""Where things are: every folder of the data folder, decided once from the flags."""

from dataclasses import dataclass
from pathlib import Path

from modules.core.flags import Flags

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT_ROOT / "configs"


def child_ignoring_case(folder: Path, name: str) -> Path:
    """Return `folder/name`, or the existing folder whose name differs only in case (Stable-Diffusion, lora)."""
    exact = folder / name
    if exact.is_dir() or not folder.is_dir():
        return exact
    return next((entry for entry in sorted(folder.iterdir()) if entry.name.casefold() == name.casefold()), exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Absolute paths. Folders need not exist yet.

    Attributes:
        data: the data folder.
        checkpoints: folders searched for checkpoints, in order; the first is the one the page tells people to fill.
        vae: folders searched for VAEs.
        lora: folder of LoRA files.
        embeddings: folder of textual-inversion embeddings.
        hypernetworks: folder of hypernetworks.
        extra_checkpoint: the file given by `--ckpt`.
        default_config: the LDM yaml given by `--config`.
        settings_file: `config.json`.
        styles_file: `styles.csv`.
        database: the SQLite file, which holds the hashes of model files.
        temporary: the page's copies of the pictures it shows.
    """

    data: Path
    checkpoints: tuple[Path, ...]
    vae: tuple[Path, ...]
    lora: Path
    embeddings: Path
    hypernetworks: Path
    extra_checkpoint: Path | None
    default_config: Path | None
    settings_file: Path
    styles_file: Path
    database: Path
    temporary: Path

    def output_folder(self, setting: str) -> Path:
        """Return the absolute output folder for a setting's value, which is relative to the data folder."""
        return (self.data / setting).resolve()


def resolve_paths(flags: Flags) -> Paths:
    """Decide every folder from the flags."""
    data = flags.data_dir.expanduser().resolve()
    models = flags.models_dir.expanduser().resolve() if flags.models_dir else child_ignoring_case(data, "models")

    def given(path: Path | None, otherwise: Path) -> Path:
        return path.expanduser().resolve() if path else otherwise

    def roots(extra: Path | None, name: str) -> tuple[Path, ...]:
        own = child_ignoring_case(models, name)
        return (own, extra.expanduser().resolve()) if extra else (own,)

    return Paths(
        data=data,
        checkpoints=roots(flags.ckpt_dir, "Stable-diffusion"),
        vae=roots(flags.vae_dir, "VAE"),
        lora=given(flags.lora_dir, child_ignoring_case(models, "Lora")),
        embeddings=given(flags.embeddings_dir, child_ignoring_case(data, "embeddings")),
        hypernetworks=given(flags.hypernetwork_dir, child_ignoring_case(models, "hypernetworks")),
        extra_checkpoint=flags.ckpt.expanduser().resolve() if flags.ckpt else None,
        default_config=flags.config.expanduser().resolve() if flags.config else None,
        settings_file=given(flags.ui_settings_file, data / "config.json"),
        styles_file=given(flags.styles_file, data / "styles.csv"),
        database=data / "easel.sqlite3",
        temporary=data / "tmp" / "page",
    )
