"""Hypernetworks: small networks that change what the attention layers of a UNet take their keys and values from.

They were invented at NovelAI and are known from A1111's web UI, which trains them and whose files these are.
"""

import copy
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from modules.families.base import LoadedModel

KEYS, VALUES = "to_k", "to_v"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """What changes vectors of one width.

    Attributes:
        keys: [B,N,D] → [B,N,D], what is added to the vectors that keys are made from.
        values: likewise for values.
    """

    keys: nn.Module
    values: nn.Module


class Hypernetwork:
    """A hypernetwork in memory.

    Attributes:
        file: name of its file.
        pairs: float32 on the CPU, by the width of the vectors they change.
    """

    def __init__(self, file: str, pairs: Mapping[int, Pair]) -> None:
        """Keep what was read from `file`."""
        self.file = file
        self.pairs = pairs
        self._placed: tuple[torch.device, torch.dtype, Mapping[int, Pair]] | None = None

    def placed(self, device: torch.device, dtype: torch.dtype) -> Mapping[int, Pair]:
        """Return the pairs where a model computes; kept until another place is asked for."""
        if self._placed is None or self._placed[:2] != (device, dtype):
            pairs = {width: _copied(pair, device, dtype) for width, pair in self.pairs.items()}
            self._placed = device, dtype, pairs
        return self._placed[2]

    def problem(self, model: LoadedModel) -> str | None:
        """Return why it changes nothing in a model, as a sentence for people; None if it does change something."""
        widths = {_width(attention, layer) for attention in _attentions(model) for layer in (KEYS, VALUES)}
        if widths & self.pairs.keys():
            return None
        return (
            f"The hypernetwork “{self.file}” is for another kind of model: it changes vectors of "
            f"{_numbers(self.pairs)} numbers, this checkpoint has such of {_numbers(widths)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HypernetworkUse:
    """A hypernetwork and how strongly it counts.

    Attributes:
        hypernetwork: which one.
        weight: what it adds is multiplied by this.
    """

    hypernetwork: Hypernetwork
    weight: float = 1.0


@contextmanager
def using_hypernetworks(model: LoadedModel, uses: Sequence[HypernetworkUse]) -> Generator[None]:
    """In this context each layer that makes keys or values is given x + weight · net(x) instead of x.

    Of several hypernetworks each one changes what the one before it returns, as in A1111. Layers of a width that a file
    does not have are left alone. Nothing is left behind.
    """
    active = [use for use in uses if use.weight]
    placed = [(use.hypernetwork.placed(model.device, model.dtype), use.weight) for use in active]
    with ExitStack() as stack:
        for attention in _attentions(model) if placed else ():
            for layer in (KEYS, VALUES):
                width = _width(attention, layer)
                pairs = [(pairs[width], weight) for pairs, weight in placed if width in pairs]
                nets = [(pair.keys if layer == KEYS else pair.values, weight) for pair, weight in pairs]
                if nets:
                    hook = attention.get_submodule(layer).register_forward_pre_hook(_Change(nets))
                    stack.callback(hook.remove)
        yield


class _Change:
    """Changes what a layer is given."""

    def __init__(self, nets: Sequence[tuple[nn.Module, float]]) -> None:
        self._nets = nets

    def __call__(self, layer: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        del layer
        x, *rest = arguments
        for net, weight in self._nets:
            x = x + weight * net(x)
        return x, *rest


def _attentions(model: LoadedModel) -> list[Attention]:
    return [module for module in model.network.modules() if isinstance(module, Attention)]


def _width(attention: Attention, layer: str) -> int:
    return cast("Any", attention.get_submodule(layer)).in_features


def _copied(pair: Pair, device: torch.device, dtype: torch.dtype) -> Pair:
    keys, values = (copy.deepcopy(net).to(device, dtype) for net in (pair.keys, pair.values))
    return Pair(keys=keys, values=values)


def _numbers(widths: Mapping[int, object] | set[int]) -> str:
    return ", ".join(str(width) for width in sorted(widths)) or "no"
