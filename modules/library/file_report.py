"""What a model file is, in detail, for people who ask about one file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modules.library.model_facts import ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The tensors of one number format.

    Attributes:
        tensors: how many.
        size: bytes of all of them.
    """

    tensors: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What was found in a file without reading weights.

    Attributes:
        path: of the file or diffusers folder.
        size: bytes.
        container: the kind of file ("safetensors", "pickle of PyTorch").
        refused: why its pickle is not safe, with the name it refers to; "" for files that can do no harm.
        facts: what it says, above all what it is for.
        numbers: its tensors by number format ("float16").
        ranks: of a LoRA or one of its relatives: how many modules have which rank.
        modules: of those, how many belong to which part of a model.
        texts: all texts in its header.
    """

    path: Path
    size: int
    container: str
    refused: str = ""
    facts: ModelFacts = field(default_factory=ModelFacts)
    numbers: Mapping[str, Numbers] = field(default_factory=dict[str, Numbers])
    ranks: Mapping[int, int] = field(default_factory=dict[int, int])
    modules: Mapping[str, int] = field(default_factory=dict[str, int])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
