"""Reads textual inversion embeddings (arXiv:2208.01618) in the forms that trainers write."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from modules.core.errors import ModelFileError
from modules.core.shown import shown
from modules.library.kinds import ModelKind
from modules.loading.mapped import StoredTensor
from modules.loading.other_kinds import other_kind
from modules.loading.weights_file import open_content

CLIP_L, CLIP_G = "clip_l", "clip_g"
"""What files with vectors for both text encoders of SDXL call them."""

ONLY = ""
"""Whose vectors they are in a file for a model with one text encoder."""

MAX_NUMBERS = 2**22  # 75 vectors, which fill a chunk, of the widest text encoder have a fortieth of it
MAX_TEXT = 1000  # characters of what it says of itself
MAX_STEP = 2**53  # beyond it, not every reader of JSON keeps an integer

_TRAINED = "string_to_param."


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingFacts:
    """What is known of an embedding beside its numbers.

    Attributes:
        count: how many vectors it has.
        widths: how many numbers a vector has for each text encoder that it was made for, by `CLIP_L` and `CLIP_G`, or
            by `ONLY` alone.
        step: how long it was trained, None if nobody says it.
        sd_checkpoint: A1111's short hash of the checkpoint that it was trained with.
        sd_checkpoint_name: the name of that checkpoint.
    """

    count: int
    widths: Mapping[str, int]
    step: int | None = None
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None

    @property
    def width(self) -> int:
        """How many numbers a vector has, those for several text encoders counted together."""
        return sum(self.widths.values())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedding:
    """Vectors that a prompt can name.

    Attributes:
        name: what it calls itself, None if it does not; only that in a picture counts.
        parts: float32 [V,D] on the CPU for each text encoder, as in `EmbeddingFacts.widths`.
        facts: what else is known of it.
    """

    name: str | None = None
    parts: Mapping[str, Tensor]
    facts: EmbeddingFacts


def read_embedding(path: Path) -> Embedding:
    """Read a `.safetensors`, `.pt` or `.bin` file.

    Raises:
        UnsafeFileError: a pickle that refers to more than data; nothing of it was run.
        ModelFileError: the file is missing, damaged or no embedding.
    """
    content = open_content(path)
    return embedding_of(content.tensors, source=path.name, values=content.values)


def embedding_of(
    tensors: Mapping[str, Tensor] | Mapping[str, StoredTensor],
    *,
    source: str,
    values: Mapping[str, object] | None = None,
) -> Embedding:
    """Make an embedding of the tensors in a file, in one of these forms.

    - `string_to_param.<any>`: by A1111, and by the authors of the method;
    - `clip_l` and `clip_g`: for SDXL, by kohya and others;
    - a single one under any name: by diffusers (`<cat-toy>`) and kohya (`emb_params`).

    Args:
        tensors: by name.
        source: the file's name, for messages.
        values: what lies beside the tensors.

    Raises:
        ModelFileError: there is no embedding in it.
    """
    parts = {part: _vectors(tensors[found], source) for part, found in _places(list(tensors), source).items()}
    counts = {len(part) for part in parts.values()}
    if len(counts) != 1:
        raise ModelFileError(
            f"The embedding “{source}” has a different number of vectors for each text encoder. Train it again."
        )
    values = values or {}
    step = values.get("step")
    facts = EmbeddingFacts(
        count=counts.pop(),
        widths={part: vectors.shape[1] for part, vectors in parts.items()},
        step=step if isinstance(step, int) and 0 <= step <= MAX_STEP else None,
        sd_checkpoint=_text(values.get("sd_checkpoint")),
        sd_checkpoint_name=_text(values.get("sd_checkpoint_name")),
    )
    return Embedding(name=_text(values.get("name")), parts=parts, facts=facts)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable() else None


def _places(names: list[str], source: str) -> dict[str, str]:
    """Return the name of the tensor for each part."""
    if CLIP_L in names and CLIP_G in names:
        return {CLIP_L: CLIP_L, CLIP_G: CLIP_G}
    candidates = [name for name in names if name.startswith(_TRAINED)] or names
    if len(candidates) == 1:
        return {ONLY: candidates[0]}
    some = ", ".join(map(shown, candidates[:2])) + (", …" if len(candidates) > 2 else "")
    fault = f"holds {len(candidates)} tensors ({some}), not one, or clip_l and clip_g" if names else "holds no vectors"
    raise other_kind(source, names, expected=ModelKind.EMBEDDING, fault=fault)


def _vectors(tensor: Tensor | StoredTensor, source: str) -> Tensor:
    """Return a copy [V,D]: the file may be written again while the program runs."""
    shape = tuple(tensor.shape)
    numbers = torch.Size(shape).numel()
    if len(shape) not in (1, 2) or not 0 < numbers <= MAX_NUMBERS or not tensor.dtype.is_floating_point:
        size = "×".join(str(side) for side in shape) or "one"
        raise ModelFileError(
            f"“{source}” cannot be used as an embedding: its tensor of {size} {tensor.dtype} is no list of vectors."
        )
    opened = tensor.open() if isinstance(tensor, StoredTensor) else tensor
    return opened.detach().to("cpu", torch.float32, copy=True).reshape(-1, shape[-1])
