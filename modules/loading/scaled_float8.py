"""Weights in 8 bits with a scale, as ComfyUI writes them: `x.weight` in float8 and `x.scale_weight`, one number.

The weight is the product of both. `x.scale_input` is for hardware that multiplies 8-bit activations, and an empty
`scaled_fp8` marks such a file; neither says anything about the weights. Later versions write `x.weight_scale`,
`x.input_scale` and `x.comfy_quant`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from modules.core.errors import ModelFileError
from modules.loading.mapped import StoredTensor

FLOAT8_DTYPES = frozenset({torch.float8_e4m3fn, torch.float8_e5m2})

_SCALES = (".scale_weight", ".weight_scale")
_BESIDE = (".scale_input", ".input_scale", ".comfy_quant")
_MARK = "scaled_fp8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledTensor(StoredTensor):
    """A tensor in 8 bits that counts only with a scale.

    Attributes:
        scale: one number.
    """

    scale: StoredTensor

    def open(self) -> Tensor:
        """Return the product in float32; unlike that of other tensors, it is no view into the file."""
        return StoredTensor.open(self).float() * self.scale.open().float().reshape(())


def with_scales(tensors: Mapping[str, StoredTensor], *, source: str) -> dict[str, StoredTensor]:
    """Return the tensors of a file, each 8-bit weight with its scale; what only belongs to scales is left out.

    Args:
        tensors: by name.
        source: the file's name, for messages.

    Raises:
        ModelFileError: a scale is not one number, or has no weight in 8 bits.
    """
    scales = {_weight_of(name): tensor for name, tensor in tensors.items() if name.endswith(_SCALES)}
    if not scales and not any(_is_mark(name) for name in tensors):
        return dict(tensors)
    for name, scale in scales.items():
        weight = tensors.get(name)
        if weight is None or weight.dtype not in FLOAT8_DTYPES or math.prod(scale.shape) != 1:
            raise ModelFileError(
                f"“{source}” is damaged or quantised in an unknown way: the scale of {name} is not one number for a "
                "weight in 8 bits. Choose another version of the file."
            )
    return {
        name: _scaled(tensor, scales[name]) if name in scales else tensor
        for name, tensor in tensors.items()
        if not (name.endswith((*_SCALES, *_BESIDE)) or _is_mark(name))
    }


def _weight_of(scale: str) -> str:
    return scale.rpartition(".")[0] + ".weight"


def _is_mark(name: str) -> bool:
    return name.rpartition(".")[2] == _MARK


def _scaled(tensor: StoredTensor, scale: StoredTensor) -> ScaledTensor:
    return ScaledTensor(**{field.name: getattr(tensor, field.name) for field in fields(StoredTensor)}, scale=scale)
