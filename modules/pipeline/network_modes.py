"""What settings and requests change in the networks for as long as a request is made."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

from torch import nn

from modules.core.parameters import Generation, GenerationRequest
from modules.core.settings import Settings
from modules.families.attention import attention_in_float32
from modules.families.base import LoadedModel
from modules.families.seamless import seamless


@contextmanager
def network_modes(request: GenerationRequest, settings: Settings) -> Generator[Callable[[LoadedModel], None]]:
    """Yield what changes a model until this context ends; each model that a request uses is to be given to it.

    Opposite edges of pictures fit together, and attention is computed in float32, where that is asked for.
    """
    changed = set[nn.Module]()

    def change(model: LoadedModel) -> None:
        if model.network in changed or not isinstance(request, Generation):
            return
        changed.add(model.network)
        if settings.tiling if request.tiling is None else request.tiling:
            modes.enter_context(seamless(model.network, model.vae.module))
        if settings.upcast_attn:
            modes.enter_context(attention_in_float32(model.network))

    with ExitStack() as modes:
        yield change
