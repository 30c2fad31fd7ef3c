"""What people ask for when they turn a model file into another one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NumberFormat = Literal["keep", "fp16", "bf16", "fp32"]
Averages = Literal["keep", "prefer", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A file that is to be written as safetensors.

    Attributes:
        source: the file.
        target: the file to be written; may be the same.
        numbers: format of the weights.
        averages: what becomes of a checkpoint's running averages (EMA): "prefer" writes them in the place of the plain
            weights, "drop" leaves them out.
        replace: whether `target` may be there already.
    """

    source: Path
    target: Path
    numbers: NumberFormat = "keep"
    averages: Averages = "keep"
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What was written.

    Attributes:
        tensors: how many.
        size: of the file, bytes.
        notes: what should be known of it, as sentences.
    """

    tensors: int
    size: int
    notes: tuple[str, ...] = ()
