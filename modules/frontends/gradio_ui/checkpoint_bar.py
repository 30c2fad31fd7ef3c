"""The line at the top of the page: which checkpoint is loaded, and how another one is chosen."""

import html
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from modules.core.errors import EaselError, NoModelError
from modules.core.parameters import LoadCheckpoint
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.components import demo_html, html_block, icon_button, no_model_html, progress_html
from modules.frontends.gradio_ui.events import on_light, on_queued, unchanged
from modules.frontends.gradio_ui.model_defaults import ModelDefaults
from modules.library.checkpoints import CheckpointFile


class Shown(NamedTuple):
    """New values of the components of the same names."""

    checkpoint: Any
    demo: Any
    defaults: Any
    notice: Any


@dataclass(frozen=True, kw_only=True)
class CheckpointBar:
    """The components of the bar, and the notice below it.

    Attributes:
        checkpoint: the choice.
        refresh: looks for checkpoints again.
        choose: pressed by the page's script when a checkpoint was chosen by its card.
        task_id: the job that loads the chosen one.
        demo: says that the demo model is chosen.
        defaults: the `ModelDefaults` of the checkpoint that is shown, as JSON; of one that loads, once it is loaded.
        notice: says that there are no checkpoints.
    """

    checkpoint: gr.Dropdown
    refresh: gr.Button
    choose: gr.Button
    task_id: gr.Textbox
    demo: gr.HTML
    defaults: gr.Textbox
    notice: gr.HTML

    def shown(self) -> list[Component]:
        """Return what `CheckpointEvents.shown` has new values for."""
        return [self.checkpoint, self.demo, self.defaults, self.notice]


class CheckpointEvents:
    """Builds the bar and answers it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def build(self) -> CheckpointBar:
        """Lay the bar out; called inside the page's `gr.Blocks`."""
        current = self._current()
        with gr.Row(elem_id="quicksettings"):
            with gr.Column(elem_classes=["checkpoint"], min_width=0):
                checkpoint = gr.Dropdown(
                    choices=self.titles(),
                    value=current.title if current else None,
                    label="Stable Diffusion checkpoint",
                    elem_id="setting_sd_model_checkpoint",
                    interactive=True,
                )
                html_block(progress_html("checkpoint"), "checkpoint_progress", "live-holder")
            refresh = icon_button("Refresh checkpoints", "refresh", "refresh_sd_model_checkpoint")
            demo = html_block(self._demo(current), "demo_model", "demo")
            task_id = gr.Textbox(elem_id="checkpoint_task_id", elem_classes=["unseen"], show_label=False)
            choose = gr.Button("Choose the checkpoint", elem_id="checkpoint_choose", elem_classes=["unseen"])
            json = self._defaults(current).to_json()
            defaults = gr.Textbox(json, elem_id="checkpoint_defaults", elem_classes=["unseen"], show_label=False)
        notice = html_block(self._notice(), "no_model_notice")
        return CheckpointBar(
            checkpoint=checkpoint,
            refresh=refresh,
            choose=choose,
            task_id=task_id,
            demo=demo,
            defaults=defaults,
            notice=notice,
        )

    def connect(self, bar: CheckpointBar) -> tuple[Any, ...]:
        """Tie the handlers to the bar's components; return those events after which another checkpoint may be shown."""
        rescanned = on_light(bar.refresh.click, self.rescan, [], bar.shown())
        chosen = on_queued(
            bar.checkpoint.input,
            self.choose,
            [bar.task_id, bar.checkpoint],
            bar.shown(),
            js="(id, title) => window.easel.loadCheckpoint(id, title)",
            several=True,
        )
        by_card = on_queued(
            bar.choose.click,
            self.choose,
            [bar.task_id, bar.checkpoint],
            bar.shown(),
            js="() => window.easel.loadWantedCheckpoint()",
            several=True,
        )
        return rescanned, chosen, by_card

    def defaults(self) -> ModelDefaults:
        """Return what the current checkpoint puts into forms."""
        return self._defaults(self._current())

    def rescan(self) -> Shown:
        """Look into the folders again."""
        self._backend.checkpoints.refresh()
        return self.shown()

    def shown(self) -> Shown:
        """Return everything as it should be now."""
        current = self._current()
        checkpoint = gr.Dropdown(choices=self.titles(), value=current.title if current else None)
        return Shown(checkpoint, self._demo(current), self._defaults(current).to_json(), self._notice())

    async def choose(self, job_id: str, title: str) -> Shown:
        """Load the checkpoint `title`; if that fails, say why and return to the one before.

        Args:
            job_id: made by the page's script; empty when the browser reports the same choice twice.
            title: of the chosen checkpoint.
        """
        if not job_id:
            return Shown(*(unchanged() for _ in Shown._fields))
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
        return self.shown()

    def _failed(self, title: str, before: str | None, sentence: str) -> Shown:
        settings = self._backend.settings
        # Another choice may have been made while this one was tried.
        if settings.snapshot().sd_model_checkpoint == title:
            settings.update({"sd_model_checkpoint": before}, trusted=False)
        gr.Warning(html.escape(sentence))
        return self.shown()

    def titles(self) -> list[str]:
        """Return the titles of all checkpoints."""
        return [file.title for file in self._backend.checkpoints.all()]

    def _current(self) -> CheckpointFile | None:
        try:
            return self._backend.checkpoints.default(self._backend.settings.snapshot())
        except NoModelError:
            return None

    def _defaults(self, file: CheckpointFile | None) -> ModelDefaults:
        return ModelDefaults.of(self._backend.checkpoints.info(file)) if file else ModelDefaults()

    def _demo(self, file: CheckpointFile | None) -> str:
        """Return what is said of the demo model when `file` is it."""
        is_demo = file is not None and self._backend.checkpoints.info(file).demo
        return demo_html(str(self._backend.paths.checkpoints[0])) if is_demo else ""

    def _notice(self) -> str:
        """Return what is said in place of a choice when there is nothing to choose from."""
        return "" if self._backend.checkpoints.all() else no_model_html(str(self._backend.paths.checkpoints[0]))
