"""Refuse what cannot fit into memory before the system has to kill us for trying."""

from modules.core.errors import OutOfMemoryError
from modules.core.parameters import Txt2Img
from modules.families.base import LoadedModel
from modules.hardware.memory import available_bytes


def check_memory(model: LoadedModel, request: Txt2Img) -> None:
    """Compare the least memory that `request` needs, for sampling a batch or decoding one picture, with what is there.

    An accelerator says by itself when its memory is full; a CPU's system lets a program allocate and then kills it.

    Raises:
        OutOfMemoryError: main memory cannot hold the request; says how much is needed and how much is there.
    """
    if model.device.type != "cpu":
        return
    width, height, batch = request.width, request.height, request.batch_size
    needed = max(model.vae.decoding_bytes(width, height), model.sampling_bytes(width, height, batch))
    available = available_bytes(model.device)
    if needed > available:
        raise OutOfMemoryError(
            f"{width}×{height} in batches of {batch} needs about {needed / 2**30:.1f} GiB of memory; "
            f"{available / 2**30:.1f} GiB are free. Choose a smaller width, height or batch size."
        )
