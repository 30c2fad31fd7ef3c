"""Refuse what cannot fit into memory before the system has to kill us for trying."""

from modules.core.errors import OutOfMemoryError
from modules.families.base import LoadedModel
from modules.hardware.memory import available_bytes, release
from modules.pipeline.context import RunContext
from modules.pipeline.vae_fallbacks import use_tiles


def check_memory(context: RunContext, model: LoadedModel, width: int, height: int, batch: int) -> None:
    """Compare the least memory that a batch needs, for sampling it or decoding one of its pictures, with what is there.

    What adapters keep is given back first. Pictures that can only be decoded in tiles will be. An accelerator says by
    itself when its memory is full; a CPU's system lets a program allocate and then kills it.

    Args:
        context: the job's.
        model: the model.
        width: of the largest pass, px.
        height: likewise.
        batch: pictures that are sampled together.

    Raises:
        OutOfMemoryError: main memory cannot hold the request; says how much is needed and how much is there.
    """
    if model.device.type != "cpu":
        return
    available = available_bytes(model.device)
    whole, tiled = (model.vae.working_bytes(width, height, tiled=tiled) for tiled in (False, True))
    sampling = model.sampling_bytes(width, height, batch)
    if max(whole, sampling) > available:
        context.add_ons.give_back()
        release(model.device)
        available = available_bytes(model.device)
    needed = max(tiled, sampling)
    if needed > available:
        raise OutOfMemoryError(
            f"{width}×{height} in batches of {batch} needs about {needed / 2**30:.1f} GiB of memory; "
            f"{available / 2**30:.1f} GiB are free. Choose a smaller width, height or batch size."
        )
    if whole > available:
        use_tiles(context)
