"""What making pictures from noise and making them from pictures have in common: batch after batch, then the grid."""

from dataclasses import dataclass, replace
from typing import Protocol

from PIL import Image
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, OutputError, Skipped
from modules.core.parameters import Generation
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.imaging.file_names import FileFacts
from modules.pipeline.batches import Batch, batches
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.decode import decode_picture
from modules.pipeline.describe import Described, Subject, infotext
from modules.pipeline.file_naming import file_facts
from modules.pipeline.output import Companion, Overview, deliver, deliver_companion, save_unfinished
from modules.pipeline.prompts import PromptPair, Prompts
from modules.pipeline.watch import StepWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What all batches of one request share.

    Attributes:
        context: the job's.
        loaded: the checkpoint.
        request: what is asked for.
        prompts: the texts of each picture, or those of all, alone.
    """

    context: RunContext
    loaded: Loaded
    request: Generation
    prompts: tuple[Prompts, ...]

    @property
    def settings(self) -> Settings:
        """The job's settings."""
        return self.context.settings

    @property
    def decoded_by(self) -> LoadedModel:
        """The model whose autoencoder makes pictures of latents: the one that made the last step of them."""
        return self.context.sampled_by or self.loaded.model

    def prompts_of(self, batch: Batch, number: int) -> Prompts:
        """Return the texts of one picture of a batch."""
        return self.prompts[(batch.first + number) % len(self.prompts)]

    def first_pairs(self, batch: Batch) -> list[PromptPair]:
        """Return the prompts of each picture of a batch in the first pass."""
        return [self.prompts_of(batch, number).first for number in range(len(batch.seeds))]

    def hires_pairs(self, batch: Batch) -> list[PromptPair]:
        """Return the prompts of each picture of a batch in the second pass."""
        return [self.prompts_of(batch, number).hires for number in range(len(batch.seeds))]

    def file_facts(self, batch: Batch, number: int, picture: Image.Image) -> FileFacts:
        """Return what the file of one picture of a batch may be named after."""
        return file_facts(
            self.context,
            self.request,
            self.loaded,
            picture=picture,
            number=batch.first + number,
            seed=batch.seeds[number],
            prompt=self.prompts_of(batch, number).first.positive,
        )

    def infotext(self, batch: Batch, number: int, described: Described, *, init_image_hash: str | None = None) -> str:
        """Return the infotext of one picture of a batch."""
        subject = Subject(
            prompts=self.prompts_of(batch, number),
            seed=batch.seeds[number],
            subseed=batch.subseeds[number],
            padded=self.context.padded,
            init_image_hash=init_image_hash,
            lora_hashes=self.context.lora_hashes,
            ti_hashes=self.context.ti_hashes or "",
            vae=self.loaded.vae,
            vae_precision=self.decoded_by.vae.changed_to,
            vae_tiled=self.context.vae_tiled,
        )
        return infotext(self.request, self.settings, self.loaded.file, self.loaded.model, subject, described)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished picture.

    Attributes:
        picture: RGB.
        uncorrected: the same before its colours were corrected, if that is to be saved.
        companions: what else is shown or saved with it.
        init_image_hash: of the picture it was made from, if that was saved.
    """

    picture: Image.Image
    uncorrected: Image.Image | None = None
    companions: tuple[Companion, ...] = ()
    init_image_hash: str | None = None


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
    overview = Overview(context, request)
    for batch in batches(request):
        try:
            _run_batch(making, method, batch, overview)
        except Skipped:
            context.note(f"Batch {batch.index + 1} of {request.batch_count} was skipped.")
    overview.deliver(making.loaded)


def _run_batch(making: Making, method: Method, batch: Batch, overview: Overview) -> None:
    """Sample the pictures of one batch together, then decode and deliver them one by one."""
    context = making.context
    context.token.begin_batch()
    context.lora_hashes, context.ti_hashes = {}, None
    watch = StepWatch(
        context, making.loaded.model, batch=batch.index, batches=making.request.batch_count, steps=method.steps
    )
    try:
        latents = method.sample(batch, watch)
    except (Interrupted, Skipped):
        if making.settings.save_incomplete_images and watch.denoised is not None:
            _deliver_batch(making, method, batch, watch.denoised, CancelToken(), overview)
        raise
    watch.decoding()
    _deliver_batch(making, method, batch, latents, context.token, overview)


def _deliver_batch(
    making: Making, method: Method, batch: Batch, latents: Tensor, token: CancelToken, overview: Overview
) -> None:
    """Decode and deliver the pictures of a batch, as long as `token` allows.

    When one cannot be written the others are delivered all the same: they are sampled already.
    """
    failures: list[OutputError] = []
    for number in range(len(latents)):
        token.check_interrupted()
        finished = method.finish(
            decode_picture(making.context, making.decoded_by, latents[number : number + 1], token),
            number,
            latents,
        )
        text = making.infotext(batch, number, method.describe(), init_image_hash=finished.init_image_hash)
        try:
            _deliver(making, batch, number, finished, text)
        except OutputError as error:
            making.context.note(str(error))  # also told when the job is interrupted before it fails
            failures.append(error)
        overview.add(finished.picture)
    if failures:
        raise failures[0]


def _deliver(making: Making, batch: Batch, number: int, finished: Finished, infotext: str) -> None:
    """Save and report a picture and what goes with it, numbered in A1111's order."""
    context, request = making.context, making.request
    facts = making.file_facts(batch, number, finished.picture)
    try:
        if finished.uncorrected is not None:
            earlier = replace(facts, picture=finished.uncorrected)
            save_unfinished(context, request, earlier, infotext, stage="before-color-correction")
    finally:  # the picture is reported whatever becomes of its earlier stage
        deliver(
            context,
            request,
            facts,
            infotext=infotext,
            prompts=making.prompts_of(batch, number).first,
            seed=batch.seeds[number],
            subseed=batch.subseeds[number],
        )
    for companion in finished.companions:
        deliver_companion(context, request, facts, companion)
