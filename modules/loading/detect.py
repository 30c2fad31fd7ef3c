"""What a file of weights is, told by the names in it."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from modules.core.errors import ModelFileError
from modules.families.base import ModelTraits
from modules.loading.mapped import StoredTensor

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer."
EMA_UNET = "model_ema.diffusion_model"

_FIRST_CONV = "input_blocks.0.0.weight"
_VECTOR = "label_emb.0.0.weight"

# sgm keeps all that conditions a network below "conditioner", LDM the text encoder alone below "cond_stage_model".
_SGM = "conditioner.embedders."
_TEXT_ENCODERS = {
    TEXT: "clip",
    "conditioner.embedders.0.transformer.": "clip",
    "cond_stage_model.model.": "openclip",
    "conditioner.embedders.0.model.": "openclip",
    "conditioner.embedders.1.model.": "openclip",
}

# Files that people put among the checkpoints: a pattern of names, what it is, where it belongs. The first match counts.
_OTHER_FILES = (
    (r"lora_(unet|te)|lora_(up|down|A|B)\b|hada_w|lokr_w|oft_(blocks|diag)", "a LoRA", "models/Lora"),
    (r"^string_to_param\.|^emb_params$|^<.*>$", "an embedding (textual inversion)", "embeddings"),
    (r"^\d+\.[01]\.", "a hypernetwork", "models/hypernetworks"),
    (r"^control_model\.|controlnet_|input_hint_block|zero_convs", "a ControlNet", "models/ControlNet"),
    (r"^(first_stage_model\.)?(encoder|decoder)\.(conv_in|down|up|mid)", "a VAE", "models/VAE"),
    (r"conv_first\.|^(params(_ema)?\.)?(body|model)\.\d", "an upscaler", "models/ESRGAN"),
)
_PARTS = (
    (r"^(text_model\.|encoder\.layers\.|cond_stage_model\.)", "only a text encoder"),
    (r"^(down_blocks|mid_block|up_blocks)\.", "only the network of a diffusers model"),
)


def read_traits(tensors: Mapping[str, StoredTensor], *, source: str) -> ModelTraits:
    """Return the traits of a checkpoint in one file.

    Raises:
        ModelFileError: it is no checkpoint; the message says what it is and where it belongs.
    """
    first = _unet_weight(tensors, _FIRST_CONV)
    if first is not None and len(first.shape) == 4:
        return ModelTraits(
            in_channels=first.shape[1], text_encoders=_text_encoders(tensors), vector=_kind_of_vector(tensors)
        )
    if any("joint_blocks." in name or "double_blocks." in name for name in tensors):
        return ModelTraits(in_channels=0, text_encoders=_text_encoders(tensors), unet=False)
    raise _no_checkpoint(tensors, source)


def _unet_weight(tensors: Mapping[str, StoredTensor], name: str) -> StoredTensor | None:
    return tensors.get(UNET + name) or tensors.get(EMA_UNET + name.replace(".", ""))


def _text_encoders(names: Iterable[str]) -> frozenset[str]:
    prefixes = tuple(_TEXT_ENCODERS)
    found = {name for name in names if name.startswith(prefixes)}
    return frozenset(kind for prefix, kind in _TEXT_ENCODERS.items() if any(name.startswith(prefix) for name in found))


def _kind_of_vector(tensors: Mapping[str, StoredTensor]) -> Literal["size", "picture"] | None:
    if _unet_weight(tensors, _VECTOR) is None:
        return None
    return "size" if any(name.startswith(_SGM) for name in tensors) else "picture"


def _no_checkpoint(tensors: Mapping[str, StoredTensor], source: str) -> ModelFileError:
    if not tensors:
        return ModelFileError(f"“{source}” holds no weights at all, so it is no checkpoint.")
    for pattern, kind, folder in _OTHER_FILES:
        if any(re.search(pattern, name) for name in tensors):
            return ModelFileError(f"“{source}” is {kind}, not a checkpoint. Move it to {folder}.")
    for pattern, part in _PARTS:
        if any(re.search(pattern, name) for name in tensors):
            return ModelFileError(
                f"“{source}” is {part}. A checkpoint holds network, VAE and text encoder in one file."
            )
    # Embeddings of other programs are one or few vectors under any name.
    if all(len(tensor.shape) <= 2 and max(tensor.shape[:1], default=0) <= 100 for tensor in tensors.values()):
        return ModelFileError(f"“{source}” looks like an embedding, not a checkpoint. Move it to embeddings.")
    return ModelFileError(f"“{source}” is no Stable Diffusion checkpoint: it holds no network that makes pictures.")
