"""txt2img: noise → latents → pictures, in one pass or in two (Hires. fix)."""

from PIL import Image
from torch import Tensor

from modules.core.parameters import Txt2Img
from modules.pipeline.batches import Batch
from modules.pipeline.context import Loaded, RunContext
from modules.pipeline.describe import Described
from modules.pipeline.generation import Finished, Making, run_batches
from modules.pipeline.hires import SecondPass
from modules.pipeline.image_conditioning import nothing_to_keep
from modules.pipeline.limits import check_memory
from modules.pipeline.passes import Pass, model_calls, run_pass
from modules.pipeline.prompts import Calls, merged_prompts
from modules.pipeline.refiner import find_refiner
from modules.pipeline.watch import StepWatch


def run_txt2img(context: RunContext, loaded: Loaded, request: Txt2Img) -> None:
    """Make all pictures of `request`; each goes to `context.images` as soon as it is finished.

    Raises:
        Interrupted: the person stopped the job.
        InvalidRequest: a prompt changes into too many long texts, or sizes are impossible.
        OutOfMemoryError: the size is more than the memory can hold.
        OutputError: a picture cannot be written.
        UnknownName: there is no such refiner or second checkpoint.
    """
    making = Making(context=context, loaded=loaded, request=request, prompts=merged_prompts(context, request))
    method = _FromNoise(making, request)
    check_memory(context, loaded.model, *method.largest_size, request.batch_size)
    run_batches(making, method)


class _FromNoise:
    """A `Method`."""

    def __init__(self, making: Making, request: Txt2Img) -> None:
        self._making = making
        self._request = request
        self._refiner = find_refiner(making.context, request)
        self._second = SecondPass(making, request, request.hires) if request.hires else None
        self._size = self._second.first_size if self._second else (request.width, request.height)

    @property
    def largest_size(self) -> tuple[int, int]:
        """Width and height in px of the largest pass."""
        return self._second.final_size if self._second else self._size

    @property
    def steps(self) -> int:
        """See `Method`."""
        return self._request.steps + (self._second.steps if self._second else 0)

    def sample(self, batch: Batch, watch: StepWatch) -> Tensor:
        """See `Method`."""
        if self._second is None:
            return self._first_pass(batch, watch)
        if self._request.first_pass is not None:
            return self._second.run_on_picture(self._request.first_pass, batch, watch)
        return self._second.run(self._first_pass(batch, watch), batch, watch)

    def _first_pass(self, batch: Batch, watch: StepWatch) -> Tensor:
        making, request, (width, height) = self._making, self._request, self._size
        passes = making.settings.hires_fix_refiner_pass
        this = Pass(
            pairs=making.first_pairs(batch),
            calls=Calls(first=model_calls(request.sampler, request.steps)),
            width=width,
            height=height,
            sampler=request.sampler,
            scheduler=request.scheduler,
            steps=request.steps,
            cfg_scale=request.cfg_scale,
            refines=self._second is None or passes != "second pass",
            concat=nothing_to_keep(making.context, making.loaded.model, width, height),
        )
        return run_pass(making.context, making.loaded, request, batch, this, watch)

    def finish(self, picture: Image.Image, number: int, latents: Tensor) -> Finished:
        """See `Method`."""
        del number, latents
        return Finished(picture=picture)

    def describe(self) -> Described:
        """See `Method`."""
        if self._second is None:
            return Described(size=self._size, refiner=self._refiner)
        return Described(
            size=self._size,
            refiner=self._refiner,
            hires_checkpoint=self._second.checkpoint,
            hires_size=self._second.asked_size,
        )
