"""What happens after every sampling step: progress, now and then a preview."""

import time

from torch import Tensor

from modules.families.base import LoadedModel
from modules.imaging.preview import MEDIA_TYPE, encode_preview
from modules.pipeline.context import RunContext
from modules.sampling.loop import StepState

SECONDS_BETWEEN_PREVIEWS = 0.25
"""A preview waits for the device; more of them than a person can see would only slow the run down."""


class StepWatch:
    """The step hook of one batch.

    Attributes:
        denoised: what the model made of the latents at the last step [B, C, h, w], None before the first.
    """

    def __init__(self, context: RunContext, model: LoadedModel, *, batch: int, batches: int, steps: int) -> None:
        """Begin.

        Args:
            context: the job's.
            model: turns latents into previews.
            batch: number of the batch, from 0.
            batches: how many there are.
            steps: of this batch, of all its passes together.
        """
        self.denoised: Tensor | None = None
        self._context = context
        self._model = model
        self._batch = batch
        self._batches = batches
        self._previewed = 0.0
        self._steps = max(1, steps)
        self._before = 0
        self._now = 0
        settings = context.settings
        self._every = settings.show_progress_every_n_steps if settings.live_previews_enable else -1

    def __call__(self, state: StepState) -> None:
        """Say how far the batch is and show what it looks like."""
        self.denoised = state.denoised
        self._now = min(self._before + state.i + 1, self._steps)
        self._say("Sampling", self._now)
        if self._preview_is_due(state.i):
            self._previewed = time.monotonic()
            self._context.preview(encode_preview(self._model.latent_to_preview(state.denoised)), MEDIA_TYPE)

    def next_pass(self, steps_before: int) -> None:
        """Say that another pass begins, after so many steps."""
        self._before = steps_before
        self._say("Upscaling", min(steps_before, self._steps))

    def decoding(self) -> None:
        """Say that the latents are finished and become pictures now."""
        self._say("Decoding", self._steps)

    def _preview_is_due(self, step: int) -> bool:
        if self._every <= 0 or step % self._every:
            return False
        return time.monotonic() - self._previewed >= SECONDS_BETWEEN_PREVIEWS

    def _say(self, stage: str, step: int) -> None:
        self._context.progress(stage, step=step, steps=self._steps, batch=self._batch, batches=self._batches)
