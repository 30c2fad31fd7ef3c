"""Refuse what cannot fit into memory before the system has to kill us for trying."""

from modules.core.errors import OutOfMemoryError
from modules.core.parameters import Txt2Img
from modules.families.base import LoadedModel
from modules.hardware.memory import available_bytes


def check_memory(model: LoadedModel, request: Txt2Img) -> None:
    """Compare the least memory that `request` needs with what is there.

    An accelerator says by itself when its memory is full; a CPU's system lets the program allocate and then kills it.

    Raises:
        OutOfMemoryError: main memory cannot hold the request; says how much is needed and how much is there.
    """
    if model.device.type != "cpu":
        return
    needed = model.working_bytes(request.width, request.height, request.batch_size)
    available = available_bytes(model.device)
    if needed > available:
        raise OutOfMemoryError(
            f"{request.width}×{request.height} in batches of {request.batch_size} needs about {needed / 2**30:.1f} GiB "
            f"of memory, {available / 2**30:.1f} GiB are free. Choose a smaller width, height or batch size."
        )
