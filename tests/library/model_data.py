"""A data folder with a few model files, and the library that looks into it."""

import os
from collections.abc import Mapping
from pathlib import Path

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.library.checkpoints import CheckpointLibrary
from modules.library.model_library import ModelLibrary
from modules.storage.hashes import HashCache
from tests.safetensors_headers import write_header

SD1_KEY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
LORA = {f"{SD1_KEY}.lora_down.weight": (4, 768), f"{SD1_KEY}.lora_up.weight": (320, 4)}
CHECKPOINT = {
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    "cond_stage_model.transformer.text_model.x": (1,),
}
EMBEDDING = {"emb_params": (2, 768)}


def open_library(data: Path, **flags: tuple[Path, ...]) -> ModelLibrary:
    """Return the library of a data folder as a new start of the program opens it."""
    paths = resolve_paths(Flags(data_dir=data, **flags))  # pyright: ignore[reportArgumentType]  # names of folders alone
    hashes = HashCache(paths.database)
    return ModelLibrary(paths, CheckpointLibrary(paths, hashes), hashes)


def put_lora(data: Path, name: str, texts: Mapping[str, str] | None = None) -> Path:
    """Write a LoRA called `name` (with folders, without ending) into the folder of the data folder."""
    return write_header(data / "models" / "Lora" / f"{name}.safetensors", texts, LORA)


def touch(path: Path, *, seconds: int) -> None:
    """Set the time of the last change of `path`."""
    os.utime(path, (seconds, seconds))
