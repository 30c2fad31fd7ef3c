"""Pictures whose opposite edges fit together."""

from collections.abc import Generator
from contextlib import contextmanager

from torch import nn


@contextmanager
def seamless(*networks: nn.Module) -> Generator[None]:
    """In this context convolutions see the opposite edge beyond an edge instead of nothing (circular padding)."""
    layers = [layer for network in networks for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    padded = [layer for layer in layers if layer.padding_mode == "zeros"]
    for layer in padded:
        layer.padding_mode = "circular"
    try:
        yield
    finally:
        for layer in padded:
            layer.padding_mode = "zeros"
