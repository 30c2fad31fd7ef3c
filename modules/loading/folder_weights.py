"""The weights in one subfolder of a folder of diffusers: in one file or in several (shards), in one variant or in more.

`diffusion_pytorch_model.safetensors` may have a variant beside it, `diffusion_pytorch_model.fp16.safetensors`. Shards
are listed by a table, `diffusion_pytorch_model.safetensors.index.json`; with a variant libraries have named it
`…safetensors.index.fp16.json` and `…fp16.safetensors.index.json`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from modules.core.errors import ModelFileError
from modules.loading.mapped import StoredTensor
from modules.loading.scaled_float8 import with_scales
from modules.loading.text_config import read_json
from modules.loading.weights_file import open_weights

MAX_NAME_BYTES = 255  # as file systems have it
NETWORK_STEMS = ("diffusion_pytorch_model",)
TEXT_STEMS = ("model", "pytorch_model")

_FORMATS = ("safetensors", "bin")  # the better one first
_SHARD = re.compile(r"-\d+-of-\d+\.")
_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWeights:
    """The weights of one network.

    Attributes:
        path: the file, or the table of shards.
        variant: what its name says of them ("fp16", "non_ema"), None for the plain ones.
        format: "safetensors" or "bin".
        sharded: they lie in several files.
    """

    path: Path
    variant: str | None
    format: str
    sharded: bool

    def files(self) -> tuple[Path, ...]:
        """Return all files that are read.

        Raises:
            ModelFileError: the table of shards is damaged, or one of them is missing.
        """
        if not self.sharded:
            return (self.path,)
        return (self.path, *(_shard(self.path, name) for name in sorted(set(_read_table(self.path).values()))))

    def open(self) -> dict[str, StoredTensor]:
        """Return where the tensors lie.

        Raises:
            ModelFileError: a file is missing, damaged or not what the table of shards says.
        """
        if not self.sharded:
            return with_scales(open_weights(self.path), source=self.path.name)
        table = _read_table(self.path)
        shards = {name: open_weights(_shard(self.path, name)) for name in sorted(set(table.values()))}
        for name, shard in table.items():
            if name not in shards[shard]:
                raise ModelFileError(
                    f"{self.path} says that the weight {name} is in {shard}, which has it not. Download both again."
                )
        return with_scales({name: shards[shard][name] for name, shard in table.items()}, source=self.path.name)


def choose_weights(folder: Path, stems: tuple[str, ...], dtype: torch.dtype) -> PartWeights:
    """Return which weights of a subfolder are used.

    Those whose name says that they are in the format that computes come first, then the plain ones, then other number
    formats, then other variants. Of the same kind safetensors comes before pickles.

    Args:
        folder: the subfolder.
        stems: how names of files begin.
        dtype: the number format that computes.

    Raises:
        ModelFileError: there are none.
    """
    found = [weights for path in sorted(_files(folder)) if (weights := _recognised(path, stems))]
    if not found:
        raise ModelFileError(
            f"The folder “{folder.parent.name}” is incomplete: {folder.name} has neither {stems[0]}.safetensors nor "
            f"{stems[-1]}.bin, nor a table of shards ({stems[0]}.safetensors.index.json)."
        )
    ranked = sorted(found, key=lambda weights: _rank(weights, dtype))
    return next(filter(_is_whole, ranked), ranked[0])  # of what was not downloaded as a whole the first one is named


def _is_whole(weights: PartWeights) -> bool:
    """Whether all its files are there."""
    try:
        return bool(weights.files())
    except ModelFileError:
        return False


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _recognised(path: Path, stems: tuple[str, ...]) -> PartWeights | None:
    """Read a file's name, "stem[.variant].format", or that of a table, which has "index" and "json" in it, too."""
    stem, *words = path.name.split(".")
    if stem not in stems or not words or _SHARD.search(path.name):
        return None
    sharded = words[-1] == "json" and "index" in words
    if sharded:
        words = [word for word in words if word not in ("index", "json")]
    formats = [word for word in words if word in _FORMATS]
    variants = [word for word in words if word not in _FORMATS]
    if len(formats) != 1 or len(variants) > 1 or not (sharded or words[-1] in _FORMATS):
        return None
    return PartWeights(path=path, variant=variants[0] if variants else None, format=formats[0], sharded=sharded)


def _rank(weights: PartWeights, dtype: torch.dtype) -> tuple[bool, int, int, bool]:
    says = _DTYPES.get(weights.variant or "")
    by_dtype = 0 if says == dtype else 1 if weights.variant is None else 2
    other = weights.variant is not None and says is None
    return other, _FORMATS.index(weights.format), by_dtype, weights.sharded


def _read_table(path: Path) -> dict[str, str]:
    """Return the name of the shard of each weight.

    Raises:
        ModelFileError: it is missing, no such table, or names what is no file beside it.
    """
    places: Any = read_json(path).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ModelFileError(f"{path} is damaged: it has no weight_map. Download it again.")
    table = cast("dict[str, Any]", places)
    for shard in table.values():
        if not _is_plain_name(shard):
            raise ModelFileError(
                f"{path} is damaged: {shard!r} is not the name of a file beside it. Download it again."
            )
    return table


def _is_plain_name(name: object) -> bool:
    """Whether it names a file of weights and no other folder, on any system."""
    if not isinstance(name, str) or re.fullmatch(r"[^/\\:\0]+\.(safetensors|bin)", name) is None:
        return False
    return name.isprintable() and len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES


def _shard(table: Path, name: str) -> Path:
    path = table.with_name(name)
    if not path.is_file():
        raise ModelFileError(
            f"The folder “{table.parent.parent.name}” is incomplete: {table.parent.name} has no {name}, which "
            f"{table.name} names. Download it again."
        )
    return path
