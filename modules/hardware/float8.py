"""Layers that keep their weights in 8 bits and compute in the number format of what they are given.

The format is E4M3 of arXiv:2209.05433 without a scale, as A1111's "FP8 weight" has it: half the memory of 16 bits,
three bits of mantissa, up to ±448.
"""

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

FLOAT8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FLOAT8).max


class Float8Layer:
    """What the layers below have in common.

    Attributes:
        originals: parameters in 16 bits by their names, in main memory; empty unless they are kept.
    """

    originals: dict[str, Tensor]


class Float8Linear(nn.Linear, Float8Layer):
    """A linear layer."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 # as its base calls it
        """Return [..., out] in the format of `input` [..., in]."""
        return F.linear(input, self.weight.to(input.dtype), _cast(self.bias, input.dtype))


class Float8Conv2d(nn.Conv2d, Float8Layer):
    """A convolution."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 # as its base calls it
        """Return [B, out, h, w] in the format of `input` [B, in, H, W]."""
        return self._conv_forward(input, self.weight.to(input.dtype), _cast(self.bias, input.dtype))


def _cast(bias: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if bias is None else bias.to(dtype)


def let_layers_be_float8(network: nn.Module) -> None:
    """Make all linear layers and convolutions of a network without weights (on the meta device) such layers."""
    for layer in network.modules():
        # Changed in place: whatever refers to a layer, and hooks that it has, stay as they are.
        if type(layer) is nn.Linear:
            layer.__class__ = Float8Linear
        elif type(layer) is nn.Conv2d:
            layer.__class__ = Float8Conv2d
        else:
            continue
        layer.to(FLOAT8)
    for layer in float8_layers(network).values():
        layer.originals = {}


def float8_layers(network: nn.Module) -> dict[str, Float8Layer]:
    """Return the layers of a network that keep 8 bits, by name."""
    modules = cast("Iterable[tuple[str, nn.Module]]", network.named_modules())
    return {name: layer for name, layer in modules if isinstance(layer, Float8Layer)}


def to_float8(numbers: Tensor) -> Tensor:
    """Round to 8 bits; what is too large becomes the largest number, not NaN as with `Tensor.to`."""
    return numbers.float().clamp(-LARGEST, LARGEST).to(FLOAT8)


def exact_parameter(network: nn.Module, name: str) -> Tensor:
    """Return a parameter of a network in 16 bits if they were kept, on the device of the network, else as it is."""
    path, _, kind = name.rpartition(".")
    layer, parameter = network.get_submodule(path), network.get_parameter(name)
    original = layer.originals.get(kind) if isinstance(layer, Float8Layer) else None
    return parameter if original is None else original.to(parameter.device)
