"""What is done when an autoencoder overflows, or when memory does not suffice for it."""

from collections.abc import Callable

import torch
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.families.vae import VaeOptions, name_of
from modules.hardware.memory import is_out_of_memory, release
from modules.pipeline.context import RunContext


def with_fallbacks(
    context: RunContext, model: LoadedModel, compute: Callable[[VaeOptions], Tensor], token: CancelToken
) -> Tensor:
    """Return what a model's autoencoder computes, in another number format or in tiles if it must be; that is told.

    Args:
        context: the job's.
        model: whose autoencoder works.
        compute: encodes or decodes.
        token: checked between tiles.

    Raises:
        EaselError: it makes values that are no numbers, in all formats that the settings allow.
        Interrupted: the person stopped the job between two tiles.
        RuntimeError: memory does not even suffice for tiles.
    """
    before = model.vae.dtype
    retry_in = _formats(context.settings)

    def computed() -> Tensor:
        return compute(VaeOptions(retry_in=retry_in, tiled=context.vae_tiled, check=token.check_interrupted))

    made = None
    try:
        made = computed()
    except (RuntimeError, MemoryError) as error:
        if context.vae_tiled or not is_out_of_memory(error):
            raise
    if made is None:  # not in the handler: the error holds on to all that was computed
        context.add_ons.give_back()
        release(model.device)
        use_tiles(context)
        made = computed()
    if model.vae.dtype != before:
        context.note(
            f"The VAE overflowed in {name_of(before)}, so it computes in {name_of(model.vae.dtype)} from now on. "
            "With --no-half-vae it computes in float32 at once."
        )
    return made


def use_tiles(context: RunContext) -> None:
    """Let autoencoders work in tiles for the rest of the job."""
    context.vae_tiled = True
    context.note("The VAE worked in tiles because memory was short.")


def _formats(settings: Settings) -> tuple[torch.dtype, ...]:
    """Return the number formats that the settings allow when another one overflows, the faster one first."""
    wanted = {torch.bfloat16: settings.auto_vae_precision_bfloat16, torch.float32: settings.auto_vae_precision}
    return tuple(dtype for dtype, is_wanted in wanted.items() if is_wanted)
