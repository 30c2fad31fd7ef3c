"""Where things are: every folder of the data folder, decided once from the flags."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modules.core.extra_model_paths import read_extra_model_paths
from modules.core.flags import Flags

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT_ROOT / "configs"


def child_ignoring_case(folder: Path, name: str) -> Path:
    """Return `folder/name`, or the existing folder whose name differs only in case (Stable-Diffusion, lora)."""
    exact = folder / name
    try:
        if exact.is_dir() or not folder.is_dir():
            return exact
        entries = sorted(folder.iterdir())
    except OSError:  # a folder that may not be looked at
        return exact
    return next((entry for entry in entries if entry.name.casefold() == name.casefold()), exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Absolute paths. Folders need not exist yet.

    Of several folders of one kind, the first is the one that people are told to fill.

    Attributes:
        data: the data folder.
        checkpoints: folders searched for checkpoints, in order.
        vae: folders searched for VAEs.
        lora: folders searched for LoRA files.
        embeddings: folders searched for textual-inversion embeddings.
        hypernetworks: folders searched for hypernetworks.
        upscalers: folders searched for upscaling networks.
        extra_checkpoint: the file given by `--ckpt`.
        default_config: the LDM yaml given by `--config`.
        settings_file: `config.json`.
        styles_file: `styles.csv`.
        database: the SQLite file, which holds the hashes of model files.
        temporary: the page's copies of the pictures it shows.
        uploads: pictures that were sent to the page.
    """

    data: Path
    checkpoints: tuple[Path, ...]
    vae: tuple[Path, ...]
    lora: tuple[Path, ...]
    embeddings: tuple[Path, ...]
    hypernetworks: tuple[Path, ...]
    upscalers: tuple[Path, ...]
    extra_checkpoint: Path | None
    default_config: Path | None
    settings_file: Path
    styles_file: Path
    database: Path
    temporary: Path
    uploads: Path

    def output_folder(self, setting: str) -> Path:
        """Return the absolute output folder for a setting's value, which is relative to the data folder."""
        return (self.data / setting).resolve()


def resolve_paths(flags: Flags) -> Paths:
    """Decide every folder from the flags and from ComfyUI's list of folders."""
    data = flags.data_dir.expanduser().resolve()
    models = flags.models_dir.expanduser().resolve() if flags.models_dir else child_ignoring_case(data, "models")
    extra = read_extra_model_paths(_given(flags.extra_model_paths, data / "extra_model_paths.yaml"))

    def roots(own: Sequence[Path], given: Sequence[Path], kind: str) -> tuple[Path, ...]:
        return tuple(dict.fromkeys((*own, *_all(given), *extra[kind])))

    def replaced(given: Sequence[Path], own: Path, kind: str) -> tuple[Path, ...]:
        return roots((), given or (own,), kind)

    lora = replaced(flags.lora_dir, child_ignoring_case(models, "Lora"), "loras")
    return Paths(
        data=data,
        checkpoints=roots([child_ignoring_case(models, "Stable-diffusion")], flags.ckpt_dir, "checkpoints"),
        vae=roots([child_ignoring_case(models, "VAE")], flags.vae_dir, "vae"),
        lora=_with_lycoris(lora, models),
        embeddings=replaced(flags.embeddings_dir, child_ignoring_case(data, "embeddings"), "embeddings"),
        hypernetworks=replaced(flags.hypernetwork_dir, child_ignoring_case(models, "hypernetworks"), "hypernetworks"),
        upscalers=roots([child_ignoring_case(models, "ESRGAN")], (), "upscale_models"),
        extra_checkpoint=flags.ckpt.expanduser().resolve() if flags.ckpt else None,
        default_config=flags.config.expanduser().resolve() if flags.config else None,
        settings_file=_given(flags.ui_settings_file, data / "config.json"),
        styles_file=_given(flags.styles_file, data / "styles.csv"),
        database=data / "easel.sqlite3",
        temporary=data / "tmp" / "page",
        uploads=data / "tmp" / "uploads",
    )


def _given(path: Path | None, otherwise: Path) -> Path:
    return path.expanduser().resolve() if path else otherwise


def _all(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(path.expanduser().resolve() for path in paths)


def _with_lycoris(lora: tuple[Path, ...], models: Path) -> tuple[Path, ...]:
    """Add the folder in which installations of A1111 before 1.5 have LoCon, LoHa and their kin, if there is one."""
    lycoris = child_ignoring_case(models, "LyCORIS")
    return tuple(dict.fromkeys((*lora, lycoris))) if lycoris.is_dir() else lora
