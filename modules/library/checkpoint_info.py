"""What a checkpoint says about itself: the size it was trained for, and whether it is Easel's demo model.

It is told by a safetensors file's header: by its metadata, whose keys are those of the Stability AI model
specification (https://github.com/Stability-AI/ModelSpec) and two of our own, `easel.demo` and `easel.prompts`, or else
by the names and shapes of its weights. Of a diffusers folder it is told by the configuration of its network.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml

from modules.library.file_state import FileState, file_state
from modules.library.safetensors_header import SafetensorsHeader, read_header

MIN_SIDE, MAX_SIDE = 64, 2048
MAX_PROMPTS, MAX_PROMPT_CHARACTERS = 12, 300
MAX_YAML_BYTES = 64 * 2**10  # those of real models have 2 KiB
MAX_JSON_BYTES = 64 * 2**10  # likewise

_SIZE = re.compile(r"\s*([0-9]{1,5})\s*(?:[x×]\s*([0-9]{1,5})\s*)?", re.IGNORECASE)
_OPENCLIP = "cond_stage_model.model."
_FIRST_CROSS_ATTENTION = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_SD2_CONTEXT_DIM = 1024
_SGM_ENCODERS = "conditioner.embedders."
_VECTOR = "model.diffusion_model.label_emb.0.0.weight"
_FOLDER_CONFIG = Path("unet", "config.json")
_PIXELS_PER_CELL = 8


class Size(NamedTuple):
    """A picture's sides, px."""

    width: int
    height: int


SD1_SIZE = Size(512, 512)
SD2_V_SIZE = Size(768, 768)
SDXL_SIZE = Size(1024, 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInfo:
    """What is known of a checkpoint without reading its weights.

    Attributes:
        size: the size it was trained for; sides are multiples of 8 from 64 to 2048 px.
        demo: whether it is the model that ships with Easel.
        prompts: what it is good at, in its own words; one line each, the best first.
    """

    size: Size = SD1_SIZE
    demo: bool = False
    prompts: tuple[str, ...] = ()


class CheckpointInfos:
    """Reads what checkpoints say about themselves, and each of them again only when it has changed.

    Safe to use from several threads; at worst two of them read the same header.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_States, CheckpointInfo]] = {}

    def of(self, path: Path, config: Path | None) -> CheckpointInfo:
        """Return what the checkpoint at `path` says, with the yaml `config` that describes it.

        A file that is missing, damaged or of another kind says nothing: the defaults of `CheckpointInfo` hold for it.
        """
        told_by = path / _FOLDER_CONFIG if path.is_dir() else path
        states = file_state(told_by), config, file_state(config) if config else None
        known = self._known.get(path)
        if known is None or known[0] != states:
            known = self._known[path] = states, read_info(path, config)
        return known[1]


_States = tuple[FileState | None, Path | None, FileState | None]


def read_info(path: Path, config: Path | None) -> CheckpointInfo:
    """Read the header of the file at `path`, or the configuration in that folder; see `CheckpointInfos.of`."""
    if path.is_dir():
        return CheckpointInfo(size=_folder_size(path / _FOLDER_CONFIG) or SD1_SIZE)
    header = read_header(path)
    if header is None:
        return CheckpointInfo()
    size = parse_size(header.texts.get("modelspec.resolution", ""))
    return CheckpointInfo(
        size=size or _usual_size(header, path, config),
        demo=header.texts.get("easel.demo") == "true",
        prompts=parse_prompts(header.texts.get("easel.prompts", "")),
    )


def parse_size(text: str) -> Size | None:
    """Read "768x512" or "1024"; sides are brought to the nearest multiple of 8. None for anything else."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    width, height = int(match[1]), int(match[2] or match[1])
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (width, height)):
        return None
    return Size(round(width / 8) * 8, round(height / 8) * 8)


def parse_prompts(text: str) -> tuple[str, ...]:
    """Read a JSON list of prompts; none of them when one is no short, printable line of text."""
    try:
        parsed: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(parsed, list) or len(cast("list[object]", parsed)) > MAX_PROMPTS:
        return ()
    lines = [entry.strip() for entry in cast("list[object]", parsed) if isinstance(entry, str)]
    good = [line for line in lines if 0 < len(line) <= MAX_PROMPT_CHARACTERS and line.isprintable()]
    return tuple(good) if len(good) == len(cast("list[object]", parsed)) else ()


def _usual_size(header: SafetensorsHeader, path: Path, config: Path | None) -> Size:
    """Return the size for which the kind of model was trained."""
    if _is_sdxl(header):
        return SDXL_SIZE
    return SD2_V_SIZE if _is_sd2_v(header, path, config) else SD1_SIZE


def _is_sdxl(header: SafetensorsHeader) -> bool:
    """Whether it is an SDXL, its refiner or one that was pruned from it: a network that is told sizes by a vector."""
    # unCLIP has the vector alone, SD Turbo the names of the text encoders alone.
    return bool(header.shape(_VECTOR)) and any(name.startswith(_SGM_ENCODERS) for name in header.tensors)


def _is_sd2_v(header: SafetensorsHeader, path: Path, config: Path | None) -> bool:
    """Whether it is an SD 2.x trained for v-prediction, which was trained at 768 px; its other kind was at 512."""
    if header.shape(_FIRST_CROSS_ATTENTION)[1:] != (_SD2_CONTEXT_DIM,):
        return False
    if not any(name.startswith(_OPENCLIP) for name in header.tensors):
        return False
    # The weights do not tell which of both kinds they are.
    return "768" in path.name if config is None else _parameterization(config) == "v"


def _folder_size(config: Path) -> Size | None:
    """Return the size that diffusers' `sample_size`, in cells of latents, means; None when it is not said."""
    try:
        with config.open("rb") as file:
            text = file.read(MAX_JSON_BYTES + 1)
        told: Any = json.loads(text) if len(text) <= MAX_JSON_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    cells = cast("dict[str, object]", told).get("sample_size") if isinstance(told, dict) else None
    if not isinstance(cells, int) or not MIN_SIDE <= cells * _PIXELS_PER_CELL <= MAX_SIDE:
        return None
    return Size(cells * _PIXELS_PER_CELL, cells * _PIXELS_PER_CELL)


def _parameterization(config: Path) -> str | None:
    """Return `model.params.parameterization` of an LDM yaml, None when it is not there.

    The yaml is parsed and nothing is built of it: building follows merge keys, which can be made to take for ever.
    """
    try:
        with config.open("rb") as file:
            text = file.read(MAX_YAML_BYTES + 1)
        node = yaml.SafeLoader(text).get_single_node() if len(text) <= MAX_YAML_BYTES else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    for key in ("model", "params", "parameterization"):
        entries = cast("list[tuple[yaml.Node, yaml.Node]]", node.value) if isinstance(node, yaml.MappingNode) else []
        node = next((value for name, value in entries if isinstance(name, yaml.ScalarNode) and name.value == key), None)
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
