"""Writes hypernetworks as A1111 does, with its own order of layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

Nets = dict[int, tuple[nn.Sequential, nn.Sequential]]


def network(
    width: int,
    structure: Sequence[float],
    activation: type[nn.Module] | None,
    *,
    norm: bool = False,
    activate_output: bool = False,
    dropout: Sequence[float] = (),
) -> nn.Sequential:
    """Return a random network whose layers are `structure` times as wide."""
    layers: list[nn.Module] = []
    for i in range(len(structure) - 1):
        layers.append(nn.Linear(int(width * structure[i]), int(width * structure[i + 1])))
        if activation and (i < len(structure) - 2 or activate_output):
            layers.append(activation())
        if norm:
            layers.append(nn.LayerNorm(int(width * structure[i + 1])))
        if dropout and dropout[i + 1] > 0:
            layers.append(nn.Dropout(dropout[i + 1]))
    for parameter in nn.Sequential(*layers).parameters():
        nn.init.normal_(parameter, std=0.3)
    return nn.Sequential(*layers).requires_grad_(False).eval()


def write_hypernetwork(path: Path, nets: Nets, values: Mapping[str, Any]) -> Path:
    """Save networks with what is said of them beside."""

    def states(net: nn.Sequential) -> dict[str, torch.Tensor]:
        return {f"linear.{name}": tensor for name, tensor in net.state_dict().items()}

    content: dict[Any, Any] = {width: (states(keys), states(values)) for width, (keys, values) in nets.items()}
    content |= {"step": 500, "name": "inner", "weight_initialization": "Normal", "sd_checkpoint": None} | dict(values)
    torch.save(content, path)
    return path
