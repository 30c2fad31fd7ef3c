"""A checkpoint as a folder of diffusers: one subfolder per network, each with a `config.json` and weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from modules.core.errors import ModelFileError
from modules.families.architecture import ClipTextArchitecture, ModelArchitecture
from modules.families.base import ModelTraits
from modules.families.clip import TextPart
from modules.families.registry import find_family
from modules.hardware.dtype import Precision
from modules.loading.convert.vae import old_vae_modules
from modules.loading.folder_config import SchedulerConfig, UNetConfig, VaeConfig, read_config
from modules.loading.folder_weights import NETWORK_STEMS, TEXT_STEMS, PartWeights, choose_weights
from modules.loading.single_file import IGNORED_TEXT
from modules.loading.source import ComponentSource, ModelSource, check_texts
from modules.loading.text_config import read_json, read_text_config

INDEX = "model_index.json"

_TOKENIZERS = ("tokenizer", "tokenizer_2")
_TEXT_ENCODERS = ("text_encoder", "text_encoder_2")

_TIME_AND_SIZE = {"class_embedding": "add_embedding"}
"""diffusers adds the vector to the timestep's embedding by a module of another name when it makes the vector itself."""


def open_diffusers_folder(path: Path, precision: Precision) -> ModelSource:
    """Open the checkpoint in the folder `path`.

    Args:
        path: the folder.
        precision: in which number formats it will compute, by which variants are chosen.

    Raises:
        ModelFileError: it cannot be used; the message says why.
    """
    if not (path / INDEX).is_file():
        raise ModelFileError(f"The folder “{path.name}” is no checkpoint: it has no {INDEX}.")
    family = find_family(_traits(path, read_json(path / INDEX)), source=path.name)
    unet = read_config(path / "unet" / "config.json", UNetConfig)
    vae = read_config(path / "vae" / "config.json", VaeConfig)
    scheduler = read_config(path / "scheduler" / "scheduler_config.json", SchedulerConfig)
    architecture = ModelArchitecture(
        unet=unet.architecture(),
        vae=vae.architecture(),
        texts=tuple(_text_architecture(path, part) for part in family.text_parts),
        tokenizer=next((path / name for name in _TOKENIZERS if (path / name / "vocab.json").is_file()), None),
        prediction="v" if scheduler.prediction_type == "v_prediction" else "eps",
        zero_terminal_snr=scheduler.rescale_betas_zero_snr,
        scale_factor=vae.scaling_factor,
        linear_start=scheduler.beta_start,
        linear_end=scheduler.beta_end,
        timesteps=scheduler.num_train_timesteps,
    )
    check_texts(architecture, family, source=path.name)
    return ModelSource(
        family=family,
        architecture=architecture,
        unet=ComponentSource(
            file=path.name, part="network", tensors=_network(path, precision).open(), modules=_TIME_AND_SIZE
        ),
        vae=_vae_source(path, precision),
        texts=tuple(_text_source(path, part, precision) for part in family.text_parts),
    )


def files_of_folder(path: Path, precision: Precision) -> list[Path]:
    """Return the files of weights that the checkpoint in the folder `path` is made from, tables of shards included.

    Raises:
        ModelFileError: one is missing.
    """
    parts = [_network(path, precision), _vae(path, precision)]
    parts += [_text(path / name, precision) for name in _TEXT_ENCODERS if (path / name).is_dir()]
    return [file for part in parts for file in part.files()]


def _network(path: Path, precision: Precision) -> PartWeights:
    return choose_weights(path / "unet", NETWORK_STEMS, precision.network)


def _vae(path: Path, precision: Precision) -> PartWeights:
    return choose_weights(path / "vae", NETWORK_STEMS, precision.vae)


def _text(folder: Path, precision: Precision) -> PartWeights:
    return choose_weights(folder, TEXT_STEMS, precision.text)


def _traits(path: Path, parts: dict[str, Any]) -> ModelTraits:
    if "unet" not in parts:
        return ModelTraits(in_channels=0, text_encoders=frozenset(), unet=False)
    unet = read_json(path / "unet" / "config.json")
    in_channels = unet.get("in_channels", 4)
    kinds = set[str]()
    if _is_there(parts, "text_encoder"):
        # diffusers keeps both in the same class; OpenCLIP's was trained with the exact GELU.
        act = read_text_config(path / "text_encoder").hidden_act
        kinds.add("clip" if act == "quick_gelu" else "openclip")
    if _is_there(parts, "text_encoder_2"):
        kinds.add("openclip")
    return ModelTraits(
        in_channels=in_channels if isinstance(in_channels, int) else 0,
        text_encoders=frozenset(kinds),
        vector=_kind_of_vector(unet),
    )


def _is_there(parts: dict[str, Any], name: str) -> bool:
    """Whether a part is listed and not only as a pair of nulls."""
    return parts.get(name) not in (None, [None, None])


def _kind_of_vector(unet: dict[str, Any]) -> Literal["size", "picture"] | None:
    if unet.get("addition_embed_type") is not None:
        return "size"
    return "picture" if unet.get("class_embed_type") is not None else None


def _text_architecture(path: Path, part: TextPart) -> ClipTextArchitecture:
    return replace(read_text_config(path / part.folder), layer=part.folder_layer)


def _vae_source(path: Path, precision: Precision) -> ComponentSource:
    tensors = _vae(path, precision).open()
    modules = old_vae_modules() if any(name.endswith(".query.weight") for name in tensors) else {}
    return ComponentSource(file=path.name, part="VAE", tensors=tensors, modules=modules)


def _text_source(path: Path, part: TextPart, precision: Precision) -> ComponentSource:
    tensors = _text(path / part.folder, precision).open()
    plain = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    return ComponentSource(file=path.name, part="text encoder", tensors=plain, modules={}, ignored=IGNORED_TEXT)
