"""Where the weights of a loaded model lie: on the device that computes, or in main memory until they are needed."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from modules.families.base import LoadedModel
from modules.hardware.memory import available_bytes

MAIN_MEMORY = torch.device("cpu")


class Residence:
    """The place of one model on an accelerator with memory of its own.

    Who calls one of its networks need not care: the weights come back to `model.device` by themselves.

    Attributes:
        present: the weights are on the device.
    """

    def __init__(self, model: LoadedModel, make_room: Callable[[int], None]) -> None:
        """Watch over a model that has just been loaded to its device.

        Args:
            model: the model.
            make_room: called before its weights come back, with their bytes.
        """
        self.present = True
        self._model = model
        self._make_room = make_room
        self._hooks: list[RemovableHandle] = [
            network.register_forward_pre_hook(self._called) for network in _entrances(model)
        ]

    def leave(self) -> bool:
        """Move the weights to main memory, if it can hold them; return whether they have left the device."""
        if self._bytes() > available_bytes(MAIN_MEMORY):
            return False
        # First of all: if moving fails half-way, the next call of a network brings everything back.
        self.present = False
        self._move(MAIN_MEMORY)
        return True

    def come(self) -> None:
        """Move the weights to the device, if they are not there."""
        if self.present:
            return
        self._make_room(self._bytes())
        self._move(self._model.device)
        self.present = True

    def forsake(self) -> None:
        """Watch no more, so that nothing keeps a model which nobody needs."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _called(self, _network: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Bring the weights back before a network computes."""
        if self.present:
            return None
        self.come()
        # Token numbers are put where the text encoder lies, which was main memory a moment ago.
        return tuple(given.to(self._model.device) if isinstance(given, Tensor) else given for given in arguments)

    def _move(self, device: torch.device) -> None:
        for network in _networks(self._model):
            network.to(device)

    def _bytes(self) -> int:
        networks = _networks(self._model)
        return sum(tensor.nbytes for network in networks for tensor in (*network.parameters(), *network.buffers()))


def _networks(model: LoadedModel) -> Iterator[nn.Module]:
    yield model.network
    yield model.vae.module
    for encoder in model.text_encoder.encoders:
        yield encoder.module


def _entrances(model: LoadedModel) -> Iterator[nn.Module]:
    """The modules that are called from outside: of an autoencoder any layer, where it goes tile by tile."""
    yield model.network
    yield from model.vae.module.modules()
    for encoder in model.text_encoder.encoders:
        yield encoder.module
