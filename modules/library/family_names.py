"""Which family of models a file belongs to, told by its tensors, or by what people and programs wrote about it.

The names of the families that Easel runs are those by which `modules.families` calls them.
"""

import re
from collections.abc import Mapping

SD1, SD2, SDXL, SDXL_REFINER, SD3, FLUX = "SD 1.x", "SD 2.x", "SDXL", "SDXL refiner", "SD3", "Flux"

TO_K = "attn2.to_k.weight"
"""End of the name of a matrix [width, width of the context] in each cross-attention of a UNet."""

CONTEXT_WIDTHS: Mapping[int, str] = {768: SD1, 1024: SD2, 1280: SDXL_REFINER, 2048: SDXL}
"""Width of what a network's cross-attention reads, in each family."""

_EMBEDDING_WIDTH = {768: SD1, 1024: SD2, 1280: SDXL}

_TRANSFORMERS = (("joint_blocks", SD3), ("double_blocks", FLUX), ("single_transformer_blocks", FLUX))
_TEXT_ENCODERS = (
    ("\nconditioner.embedders.1.", SDXL),
    ("\nconditioner.embedders.0.model.", SDXL_REFINER),
    ("\ncond_stage_model.model.", SD2),
    ("\ncond_stage_model.transformer.", SD1),
)
_CROSS_ATTENTION = re.compile(r"attn2[._]to_k\.")
_SECOND_TEXT_ENCODER = re.compile(r"^(?:lora_te[12]_|lora_te_2_|text_encoder_2\.)", re.MULTILINE)
_BLOCK = re.compile(r"(?:down|up|mid|input|output|middle)_block")
_DEEPER = re.compile(r"transformer_blocks[._][1-9]")
_TEXT_LAYER = re.compile(r"^(?:lora_te_|text_encoder\.|lycoris_te_).*self_attn[._]q_proj")

# Words of civitai's "baseModel", kohya's `ss_base_model_version`, `modelspec.architecture` and A1111's "sd version".
# "SDXL" is also what Pony and Illustrious are: new weights in the same network. The first match counts.
_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), family)
    for pattern, family in (
        (r"refiner", SDXL_REFINER),
        (r"sd[ _-]?xl|diffusion-?xl|\bpony\b|illustrious|noobai|animagine", SDXL),
        (r"\bsd[ _-]?v?3|diffusion-?v?3", SD3),
        (r"\bsd[ _-]?v?2|diffusion-?v?2", SD2),
        (r"\bsd[ _-]?v?1|diffusion-?v?1", SD1),
        (r"flux", FLUX),
        (r"cascade", "Stable Cascade"),
        (r"pixart", "PixArt"),
        (r"hunyuan", "Hunyuan"),
        (r"kolors", "Kolors"),
        (r"aura-?flow", "AuraFlow"),
        (r"lumina", "Lumina"),
        (r"chroma", "Chroma"),
        (r"qwen", "Qwen-Image"),
        (r"\bwan\b|wan ?2", "Wan"),
    )
)


def family_of_text(text: str) -> str:
    """Return the family that `text` names ("SD 1.5", "sdxl_base_v1-0", "Pony"); "" when it names none."""
    return next((family for pattern, family in _WORDS if pattern.search(text)), "") if text else ""


def _is_deep(names: str) -> bool:
    """Whether a block has more than one transformer. Two searches, since one for both could take quadratic time."""
    lines = names.split("\n")
    return any((block := _BLOCK.search(line)) and _DEEPER.search(line, block.end()) for line in lines)


def lora_family(names: str, ranked: Mapping[str, tuple[int, ...]]) -> str:
    """Return the family that a LoRA was made for.

    Args:
        names: of all its tensors, one a line.
        ranked: shapes of its matrices [rank, width of what goes in, …] by name.
    """
    for mark, family in _TRANSFORMERS:
        if mark in names:
            return family
    if _SECOND_TEXT_ENCODER.search(names):
        return SDXL
    widths = (CONTEXT_WIDTHS.get(shape[1]) for name, shape in ranked.items() if _CROSS_ATTENTION.search(name))
    found = next((family for family in widths if family), "")
    if found or _is_deep(names):
        return found or SDXL
    layers = (_EMBEDDING_WIDTH.get(shape[1]) for name, shape in ranked.items() if _TEXT_LAYER.search(name))
    return next((family for family in layers if family), "")


def checkpoint_family(names: str, keys: Mapping[str, tuple[int, ...]]) -> str:
    """Return the family of a checkpoint, or of a network alone.

    Args:
        names: of all its tensors, one a line.
        keys: shapes of those whose names end with `TO_K`.
    """
    widths = (CONTEXT_WIDTHS.get(shape[1]) for shape in keys.values() if len(shape) > 1)
    marks = (family for mark, family in (*_TRANSFORMERS, *_TEXT_ENCODERS) if mark in f"\n{names}")
    return next(filter(None, widths), "") or next(marks, "")


def embedding_family(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the family that an embedding with tensors of these shapes [vectors, width] was made for."""
    if "clip_g" in shapes:
        return SDXL
    return next((_EMBEDDING_WIDTH.get(shape[-1], "") for shape in shapes.values() if shape), "")
