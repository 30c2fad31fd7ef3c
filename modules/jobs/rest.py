"""What is left to do of a job that was cut off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from modules.core.events import Cancelled, Finished, TerminalEvent
from modules.core.job import Job
from modules.core.parameters import Generation
from modules.core.results import GeneratedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A job that goes on where it was cut off.

    Attributes:
        job: makes the batches that are not finished; None if all are.
        done: the pictures of the finished ones, in order.
    """

    job: Job | None
    done: tuple[GeneratedImage, ...] = ()

    def complete(self, event: TerminalEvent) -> TerminalEvent:
        """Return how the whole job ends when `job` ends with `event`."""
        if not self.done or not isinstance(event, Finished | Cancelled):
            return event
        result = event.result
        whole = replace(result, images=(*self.done, *result.images), notes=(*result.notes, self._note()))
        return replace(event, result=whole)

    def _note(self) -> str:
        count = sum(1 for picture in self.done if not picture.is_mask)
        pictures = "1 picture was" if count == 1 else f"{count} pictures were"
        return f"The server was restarted: {pictures} made before, and there is no grid of all."


def rest_of(job: Job, saved: Sequence[GeneratedImage]) -> Rest:
    """Return what is left of `job` after the pictures `saved`, which are on the disk.

    Every picture has a seed of its own, and does not depend on those before it, so what is made now is what would have
    been made. A batch that was saved in part is made again as a whole. There is no grid, as it would show a part.
    """
    request = job.request
    if not isinstance(request, Generation):
        return Rest(job=job)
    numbers = [_number(request, picture) for picture in saved]
    # a batch that has none of the pictures before the last was skipped
    batches = (max(numbers, default=-1) + 1) // request.batch_size
    if not 0 < batches <= request.batch_count:
        return Rest(job=job)
    pictures = batches * request.batch_size
    done = tuple(picture for picture, number in zip(saved, numbers, strict=True) if number < pictures)
    if batches == request.batch_count:
        return Rest(job=None, done=done)
    left = request.model_copy(
        update={
            "seed": request.seed + (pictures if request.subseed_strength == 0 else 0),
            "subseed": request.subseed + pictures,
            "prompts": request.prompts[pictures:],
            "negative_prompts": request.negative_prompts[pictures:],
            "batch_count": request.batch_count - batches,
            "make_grid": False,
        }
    )
    return Rest(job=replace(job, request=left), done=done)


def _number(request: Generation, picture: GeneratedImage) -> int:
    """Return which picture of a request it is, from 0, by its seeds; those of a mask are its picture's."""
    return picture.seed - request.seed if request.subseed_strength == 0 else picture.subseed - request.subseed
