"""What making pictures from noise and making them from pictures have in common: batch after batch, then the grid."""

from dataclasses import dataclass
from typing import Protocol

from PIL import Image
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, Skipped
from modules.core.parameters import Generation
from modules.core.settings import Settings
from modules.pipeline.batches import Batch, batches
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.decode import decode_picture
from modules.pipeline.describe import Described, Subject, infotext
from modules.pipeline.output import deliver, deliver_grid, deliver_mask
from modules.pipeline.prompts import PromptPair, Prompts
from modules.pipeline.watch import StepWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What all batches of one request share.

    Attributes:
        context: the job's.
        loaded: the checkpoint.
        request: what is asked for.
        prompts: its texts.
    """

    context: RunContext
    loaded: Loaded
    request: Generation
    prompts: Prompts

    @property
    def settings(self) -> Settings:
        """The job's settings."""
        return self.context.settings

    def pairs(self, pair: PromptPair) -> list[PromptPair]:
        """Return the prompts of each picture of a batch."""
        return [pair] * self.request.batch_size

    def infotext(self, batch: Batch, number: int, described: Described) -> str:
        """Return the infotext of one picture of a batch."""
        subject = Subject(
            prompts=self.prompts,
            seed=batch.seeds[number],
            subseed=batch.subseeds[number],
            padded=self.context.padded,
        )
        return infotext(self.request, self.settings, self.loaded.file, self.loaded.model, subject, described)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished picture.

    Attributes:
        picture: RGB.
        masks: what else is shown and saved with it.
    """

    picture: Image.Image
    masks: tuple[Image.Image, ...] = ()


class Method(Protocol):
    """How the pictures of a request are made."""

    @property
    def steps(self) -> int:
        """Sampling steps of one batch, of all passes together."""
        ...

    def sample(self, batch: Batch, watch: StepWatch) -> Tensor:
        """Return the finished latents [B,C,h,w] of a batch."""
        ...

    def finish(self, picture: Image.Image, number: int, latents: Tensor) -> Finished:
        """Return the finished picture.

        Args:
            picture: as decoded.
            number: of the picture within its batch.
            latents: of the batch.
        """
        ...

    def describe(self) -> Described:
        """Return what the infotext says beside what the request and the settings say."""
        ...


def run_batches(making: Making, method: Method) -> None:
    """Make all pictures; each goes to `context.images` as soon as it is finished.

    Raises:
        Interrupted: the person stopped the job.
        OutputError: a picture cannot be written.
    """
    context, request = making.context, making.request
    for batch in batches(request):
        try:
            _run_batch(making, method, batch)
        except Skipped:
            context.note(f"Batch {batch.index + 1} of {request.batch_count} was skipped.")
    deliver_grid(context, request)


def _run_batch(making: Making, method: Method, batch: Batch) -> None:
    """Sample the pictures of one batch together, then decode and deliver them one by one."""
    context = making.context
    context.token.begin_batch()
    watch = StepWatch(
        context, making.loaded.model, batch=batch.index, batches=making.request.batch_count, steps=method.steps
    )
    try:
        latents = method.sample(batch, watch)
    except (Interrupted, Skipped):
        if making.settings.save_incomplete_images and watch.denoised is not None:
            _deliver_batch(making, method, batch, watch.denoised, CancelToken())
        raise
    watch.decoding()
    _deliver_batch(making, method, batch, latents, context.token)


def _deliver_batch(making: Making, method: Method, batch: Batch, latents: Tensor, token: CancelToken) -> None:
    """Decode and deliver the pictures of a batch, as long as `token` allows."""
    for number in range(len(latents)):
        token.check_interrupted()
        finished = method.finish(
            decode_picture(making.context.sampled_by or making.loaded.model, latents[number : number + 1]),
            number,
            latents,
        )
        deliver(
            making.context,
            making.request,
            finished.picture,
            infotext=making.infotext(batch, number, method.describe()),
            prompts=making.prompts.first,
            seed=batch.seeds[number],
            subseed=batch.subseeds[number],
        )
        for mask in finished.masks:
            deliver_mask(making.context, mask)
