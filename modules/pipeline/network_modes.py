"""What settings and requests change in the networks for as long as a request is made."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from modules.core.parameters import Generation
from modules.core.settings import Settings
from modules.families.attention import attention_in_float32
from modules.families.base import LoadedModel
from modules.families.seamless import seamless


@contextmanager
def network_modes(model: LoadedModel, request: Generation, settings: Settings) -> Generator[None]:
    """Let opposite edges of pictures fit together, and compute attention in float32, where that is asked for."""
    with ExitStack() as modes:
        if settings.tiling if request.tiling is None else request.tiling:
            modes.enter_context(seamless(model.network, model.vae.module))
        if settings.upcast_attn:
            modes.enter_context(attention_in_float32(model.network))
        yield
