"""What a file of weights is, told by the names and shapes of the tensors in it. No weight is read.

The names are those that the programs write which make such files: kohya's sd-scripts, diffusers and PEFT, LyCORIS, LDM
and sgm, and the trainers of upscalers.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from modules.library.family_names import TO_K, checkpoint_family, embedding_family, lora_family

Shape = tuple[int, ...]


class ModelKind(StrEnum):
    """What a file of weights is for."""

    CHECKPOINT = "checkpoint"
    LORA = "lora"
    EMBEDDING = "embedding"
    HYPERNETWORK = "hypernetwork"
    VAE = "vae"
    UPSCALER = "upscaler"
    CONTROLNET = "controlnet"
    TEXT_ENCODER = "text encoder"
    NETWORK = "network"
    UNKNOWN = "unknown"


FOR_PEOPLE: Mapping[ModelKind, str] = {
    ModelKind.CHECKPOINT: "a checkpoint",
    ModelKind.LORA: "a LoRA",
    ModelKind.EMBEDDING: "an embedding (textual inversion)",
    ModelKind.HYPERNETWORK: "a hypernetwork",
    ModelKind.VAE: "a VAE",
    ModelKind.UPSCALER: "an upscaler",
    ModelKind.CONTROLNET: "a ControlNet",
    ModelKind.TEXT_ENCODER: "a text encoder without its network",
    ModelKind.NETWORK: "the network of a diffusers model without VAE and text encoder",
    ModelKind.UNKNOWN: "a file of an unknown kind",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the tensors of a file are.

    Attributes:
        kind: what they are for.
        family: of the models that they are or belong to ("SD 1.x"), "" when they do not tell.
        algorithm: of a LoRA or one of its relatives ("LoRA", "DoRA", "LoHa" …), "" for others.
        rank: of most of its matrices, None for others.
    """

    kind: ModelKind = ModelKind.UNKNOWN
    family: str = ""
    algorithm: str = ""
    rank: int | None = None


# A name begins where a line begins: `recognise` joins all names with line ends. The first match counts.
_KINDS: tuple[tuple[ModelKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.MULTILINE))
    for kind, pattern in (
        (ModelKind.LORA, r"^(?:lora|lycoris|oft)_(?:unet|te\d?|prior|transformer)_|\.lora_(?:up|down|A|B)\b"),
        (ModelKind.LORA, r"\.lora\.(?:up|down)\.|\.lora_linear_layer\.|\.hada_w1|\.lokr_w[12]|\.oft_(?:blocks|diag)$"),
        (
            ModelKind.CONTROLNET,
            r"^(?:lora_controlnet$|lllite_|control_model\.|controlnet_|input_hint_block|zero_convs)",
        ),
        (ModelKind.CHECKPOINT, r"^model(?:_ema)?\.diffusion_model|^(?:double|joint)_blocks\.0\."),
        (ModelKind.VAE, r"^(?:first_stage_model\.)?(?:encoder|decoder)\.(?:conv_in|conv_out|down|up|mid)"),
        (ModelKind.EMBEDDING, r"^string_to_param\.|^emb_params$|^clip_[lg]$|^<.*>$"),
        (ModelKind.HYPERNETWORK, r"^\d+\.[01]\.linear"),
        (ModelKind.UPSCALER, r"^(?:params(?:_ema)?\.)?(?:conv_first\.|(?:body|model)\.\d|layers\.0\.residual_group\.)"),
        (ModelKind.NETWORK, r"^(?:down_blocks|mid_block|up_blocks|transformer_blocks)\."),
        (ModelKind.TEXT_ENCODER, r"^(?:cond_stage_model|conditioner|text_model|transformer\.resblocks)\."),
        (ModelKind.TEXT_ENCODER, r"^encoder\.(?:layers|block)\.\d"),
    )
)

_ALGORITHMS = (
    (".hada_w1", "LoHa"),
    (".lokr_w", "LoKr"),
    (".oft_", "OFT"),
    (".on_input", "IA3"),
    (".a1.weight", "GLoRA"),
    (".lora_", "LoRA"),
    (".lora.", "LoRA"),
    (".diff", "full"),
    (".w_norm", "norm"),
)
_DORA = ".dora_scale"

RANKED = (
    *(".lora_down.weight", ".lora.down.weight", ".lora_linear_layer.down.weight"),
    *(".lora_A.weight", ".lora_A.default.weight", ".hada_w1_b", ".lokr_w1_b", ".lokr_w2_b"),
)
"""Ends of names of matrices whose first size is the rank, and the second the width of what goes in."""

MAX_VECTORS, MAX_EMBEDDINGS = 1000, 4  # of an embedding: its tokens, and its tensors


def recognise(names: Collection[str], shape_of: Callable[[str], Shape]) -> Content:
    """Return what a file is.

    Args:
        names: of its tensors.
        shape_of: returns the shape of one of them, () when that is damaged.
    """
    text = "\n".join(names)
    kind = kind_of_names(text)
    if kind is ModelKind.UNKNOWN and _are_vectors([shape_of(name) for name in islice(names, MAX_EMBEDDINGS + 1)]):
        kind = ModelKind.EMBEDDING
    match kind:
        case ModelKind.LORA:
            matrices = ((name, shape_of(name)) for name in names if name.endswith(RANKED))
            ranked = {name: shape for name, shape in matrices if len(shape) > 1}
            ranks = Counter(shape[0] for shape in ranked.values()).most_common(1)
            return Content(
                kind=kind,
                family=lora_family(text, ranked),
                algorithm=_algorithm(text),
                rank=ranks[0][0] if ranks else None,
            )
        case ModelKind.CHECKPOINT | ModelKind.NETWORK:
            keys = {name: shape_of(name) for name in names if name.endswith(TO_K)}
            return Content(kind=kind, family=checkpoint_family(text, keys))
        case ModelKind.EMBEDDING:
            return Content(kind=kind, family=embedding_family({name: shape_of(name) for name in names}))
        case _:
            return Content(kind=kind)


def kind_of_names(names: str) -> ModelKind:
    """Return the kind of a file whose tensors have these `names`, one a line; unknown if they do not tell."""
    return next((kind for kind, pattern in _KINDS if pattern.search(names)), ModelKind.UNKNOWN)


def _algorithm(names: str) -> str:
    if _DORA in names:
        return "DoRA"
    return next((algorithm for mark, algorithm in _ALGORITHMS if mark in names), "")


def _are_vectors(sizes: Sequence[Shape]) -> bool:
    """Whether these are a few vectors and nothing else: embeddings of other programs have any name."""
    return 0 < len(sizes) <= MAX_EMBEDDINGS and all(
        1 <= len(size) <= 2 and (len(size) == 1 or 0 < size[0] <= MAX_VECTORS) and size[-1] >= 64 for size in sizes
    )
