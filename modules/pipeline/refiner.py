"""The checkpoint that finishes pictures."""

from modules.core.parameters import Generation
from modules.library.checkpoints import CheckpointFile
from modules.pipeline.context import RunContext


def find_refiner(context: RunContext, request: Generation) -> CheckpointFile | None:
    """Return the refiner's checkpoint, None for none; it is only found, not loaded.

    Raises:
        UnknownName: there is no such checkpoint.
    """
    if request.refiner is None:
        return None
    return context.find(request.refiner.checkpoint)
