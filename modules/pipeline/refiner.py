"""The checkpoints beside the main one: that which finishes pictures, and that of the second pass."""

from modules.core.parameters import Generation, GenerationRequest, Txt2Img
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


def other_checkpoints(request: GenerationRequest) -> tuple[str, ...]:
    """Return the names of the checkpoints that a request asks for beside the one of the settings."""
    names = list[str]()
    if isinstance(request, Generation) and request.refiner:
        names.append(request.refiner.checkpoint)
    if isinstance(request, Txt2Img) and request.hires and request.hires.checkpoint:
        names.append(request.hires.checkpoint)
    return tuple(names)
