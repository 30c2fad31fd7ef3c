"""Reads files of hypernetworks, which A1111's web UI writes."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from modules.adapters.hypernetwork import Hypernetwork, Pair
from modules.core.errors import ModelFileError
from modules.core.shown import shown
from modules.families.skeleton import skeleton
from modules.library.kinds import ModelKind
from modules.loading.mapped import StoredTensor
from modules.loading.other_kinds import other_kind
from modules.loading.weights_file import open_content

LINEAR = "linear"

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "swish": nn.Hardswish,  # by this name A1111 means that one
    # What PyTorch does with [B,N,D] if it is not told the dimension, as A1111 does not: it takes the first one.
    **{kind.__name__.lower(): partial(kind, dim=0) for kind in (nn.LogSoftmax, nn.Softmax, nn.Softmin)},
    **{
        kind.__name__.lower(): kind
        for kind in (
            *(nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU),
            *(nn.LogSigmoid, nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.SiLU, nn.Sigmoid),
            *(nn.Softmax2d, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink),
        )
    },
}
"""All that A1111 lets people choose and that keep the number of numbers; `LINEAR` is none."""

_NAME = re.compile(r"(\d{1,6})\.([01])\.(?:linear\.(\d{1,4})|linear([12]))\.(weight|bias)")
"""The vectors' width, 0 for keys or 1 for values, the layer's place, and which of its tensors it is."""

_Layers = dict[int, dict[str, Tensor]]
"""Tensors by the place of their layer and what they are."""


def read_hypernetwork(path: Path) -> Hypernetwork:
    """Read a `.pt` file.

    Raises:
        UnsafeFileError: a pickle that refers to more than data; nothing of it was run.
        ModelFileError: the file is missing, damaged or no hypernetwork.
    """
    content = open_content(path)
    found = _layers(content.tensors)
    if not found:
        fault = "holds no layers of one"
        raise other_kind(path.name, content.tensors, expected=ModelKind.HYPERNETWORK, fault=fault)
    # Files that do not say whether the last layer has an activation are from before one could choose: it had.
    build = _Builder(
        path.name,
        activation=content.values.get("activation_func"),
        activate_output=content.values.get("activate_output", True) is not False,
    )
    pairs = {
        width: Pair(
            keys=build.network(width, found.get((width, 0), {})), values=build.network(width, found.get((width, 1), {}))
        )
        for width in sorted({width for width, _ in found})
    }
    return Hypernetwork(path.name, pairs)


def _layers(tensors: Mapping[str, StoredTensor]) -> dict[tuple[int, int], _Layers]:
    """Return the layers of each network by the width of its vectors and its number: 0 for keys, 1 for values."""
    found: dict[tuple[int, int], _Layers] = {}
    for name, stored in tensors.items():
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        width, number, place, old_place, kind = match.groups()
        layers = found.setdefault((int(width), int(number)), {})
        # The first hypernetworks had two layers, linear1 and linear2.
        index = int(place) if place else int(old_place) - 1
        layers.setdefault(index, {})[kind] = stored.open().to(torch.float32, copy=True)
    return found


class _Builder:
    """Makes the networks of one file.

    The numbers of their layers in A1111's files count activations and dropouts, too, which have no weights. Where those
    stood is known without the numbers: behind linear layers.
    """

    def __init__(self, source: str, *, activation: object, activate_output: bool) -> None:
        """Read how networks are built.

        Raises:
            ModelFileError: there is no such activation.
        """
        self._source = source
        self._activate_output = activate_output
        self._activation: Callable[[], nn.Module] | None = None
        if activation not in (None, LINEAR):
            if not isinstance(activation, str) or activation not in ACTIVATIONS:
                plain = shown(activation) if isinstance(activation, str) else activation
                named = f"{plain!r}" if isinstance(plain, (str, int)) else "without a name"
                raise self._error(f"its activation {named} is not known")
            self._activation = ACTIVATIONS[activation]

    def network(self, width: int, layers: _Layers) -> nn.Sequential:
        """Return [B,N,width] → [B,N,width].

        Raises:
            ModelFileError: the layers do not fit each other.
        """
        modules: list[nn.Module] = []
        size, last = width, max((place for place, layer in layers.items() if _is_linear(layer)), default=-1)
        for place, layer in sorted(layers.items()):
            if _is_linear(layer):
                modules.append(self._filled(_linear(layer, size), layer))
                size = len(layer["weight"])
                if self._activation and (place != last or self._activate_output):
                    modules.append(self._activation())
            elif modules and isinstance(modules[-1], nn.PReLU) and "bias" not in layer:
                modules[-1] = self._filled(modules[-1], layer)
            else:
                with skeleton():
                    norm = nn.LayerNorm(size)
                modules.append(self._filled(norm, layer))
        if size != width or last < 0:
            raise self._error(f"its network for vectors of {width} numbers makes none of {width}")
        return nn.Sequential(*modules).requires_grad_(False).eval()

    def _filled(self, module: nn.Module, layer: Mapping[str, Tensor]) -> nn.Module:
        try:
            module.load_state_dict(layer, assign=True)
        except RuntimeError as error:
            raise self._error("its layers do not fit each other") from error
        return module

    def _error(self, fault: str) -> ModelFileError:
        return ModelFileError(f"The hypernetwork “{self._source}” cannot be used: {fault}.")


def _is_linear(layer: Mapping[str, Tensor]) -> bool:
    return "weight" in layer and layer["weight"].ndim == 2


def _linear(layer: Mapping[str, Tensor], size: int) -> nn.Module:
    with skeleton():
        return nn.Linear(size, len(layer["weight"]))
