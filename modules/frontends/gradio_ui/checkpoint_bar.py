"""The line at the top of the page: which checkpoint is loaded, and how another one is chosen."""

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from modules.core.errors import EaselError, NoModelError
from modules.core.parameters import LoadCheckpoint
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.components import html_block, icon_button, no_model_html, progress_html
from modules.frontends.gradio_ui.events import on_light, on_queued, unchanged


@dataclass(frozen=True, kw_only=True)
class CheckpointBar:
    """The components of the bar, and the notice below it."""

    checkpoint: gr.Dropdown
    refresh: gr.Button
    task_id: gr.Textbox
    notice: gr.HTML

    def shown(self) -> list[Component]:
        """Return what `CheckpointEvents.shown` has new values for."""
        return [self.checkpoint, self.notice]


class CheckpointEvents:
    """Builds the bar and answers it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def build(self) -> CheckpointBar:
        """Lay the bar out; called inside the page's `gr.Blocks`."""
        with gr.Row(elem_id="quicksettings"):
            with gr.Column(elem_classes=["checkpoint"], min_width=0):
                checkpoint = gr.Dropdown(
                    choices=self._titles(),
                    value=self._current(),
                    label="Stable Diffusion checkpoint",
                    elem_id="setting_sd_model_checkpoint",
                    interactive=True,
                )
                html_block(progress_html("checkpoint"), "checkpoint_progress", "live-holder")
            refresh = icon_button("Refresh checkpoints", "refresh", "refresh_sd_model_checkpoint")
            task_id = gr.Textbox(elem_id="checkpoint_task_id", elem_classes=["unseen"], show_label=False)
        notice = html_block(self._notice(), "no_model_notice")
        return CheckpointBar(checkpoint=checkpoint, refresh=refresh, task_id=task_id, notice=notice)

    def connect(self, bar: CheckpointBar) -> None:
        """Tie the handlers to the bar's components."""
        on_light(bar.refresh.click, self.rescan, [], bar.shown())
        on_queued(
            bar.checkpoint.input,
            self.choose,
            [bar.task_id, bar.checkpoint],
            [bar.checkpoint],
            js="(id, title) => window.easel.loadCheckpoint(id, title)",
        )

    def rescan(self) -> tuple[Any, Any]:
        """Look into the folders again."""
        self._backend.checkpoints.refresh()
        return self.shown()

    def shown(self) -> tuple[Any, Any]:
        """Return the drop-down and the notice as they should be now."""
        return gr.Dropdown(choices=self._titles(), value=self._current()), self._notice()

    async def choose(self, job_id: str, title: str) -> Any:
        """Load the checkpoint `title`; if that fails, say why and return to the one before.

        Args:
            job_id: made by the page's script; empty when the browser reports the same choice twice.
            title: of the chosen checkpoint.
        """
        if not job_id:
            return unchanged()
        settings = self._backend.settings
        before = settings.snapshot().sd_model_checkpoint
        try:
            settings.update({"sd_model_checkpoint": title}, trusted=False)
            self._backend.jobs.submit(LoadCheckpoint(), job_id=job_id)
            state = await self._backend.jobs.wait(job_id)
        except EaselError as error:
            return self._failed(title, before, str(error))
        if state.error:
            return self._failed(title, before, state.error.message)
        return self.shown()[0]

    def _failed(self, title: str, before: str | None, sentence: str) -> Any:
        settings = self._backend.settings
        # Another choice may have been made while this one was tried.
        if settings.snapshot().sd_model_checkpoint == title:
            settings.update({"sd_model_checkpoint": before}, trusted=False)
        gr.Warning(html.escape(sentence))
        return self.shown()[0]

    def _titles(self) -> list[str]:
        return [file.title for file in self._backend.checkpoints.all()]

    def _current(self) -> str | None:
        try:
            return self._backend.checkpoints.default(self._backend.settings.snapshot()).title
        except NoModelError:
            return None

    def _notice(self) -> str:
        """Return what is said in place of a choice when there is nothing to choose from."""
        return "" if self._backend.checkpoints.all() else no_model_html(str(self._backend.paths.checkpoints[0]))
