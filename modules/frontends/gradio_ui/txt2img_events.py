"""What happens when something on the txt2img tab is pressed.

A job takes seconds to hours, and a browser's connection does not always live as long (a phone is locked, a notebook
sleeps). So no event waits for a job: Generate submits it, the page's script follows it by A1111's `/internal/progress`,
and fetches the pictures when it is over, whether or not the page was reloaded meanwhile.
"""

import contextlib
import html
import logging
from typing import Any

import gradio as gr
from gradio.components import Component

from modules.core.errors import EaselError, UnknownName
from modules.core.parameters import MAX_STEPS
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.components import token_count_html
from modules.frontends.gradio_ui.events import Listener, on_light, on_queued, unchanged
from modules.frontends.gradio_ui.form import LABELS, read_form
from modules.frontends.gradio_ui.model_defaults import Followers, ModelDefaults, follow, suggestions_html
from modules.frontends.gradio_ui.outcome import (
    GenerationInfo,
    gallery_files,
    infotext_html,
    log_html,
    summary,
    with_bytes,
)
from modules.frontends.gradio_ui.txt2img_tab import DEFAULTS, Txt2ImgTab
from modules.prompting.chunks import count_tokens
from modules.prompting.styles import Style, StylesFileError, apply_styles, read_styles
from modules.prompting.tokenizer import shipped_tokenizer

log = logging.getLogger(__name__)

Outcome = tuple[Any, Any, Any, Any]
"""New values of gallery, generation info, infotext and log; `unchanged()` for what stays as it is."""


class Txt2ImgEvents:
    """The handlers of one page, for all its visitors; they keep no state of their own."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def submit(self, job_id: str, *values: object) -> Outcome:
        """Queue the job that the form asks for, or say what is wrong with it."""
        try:
            self._backend.jobs.submit(read_form(dict(zip(LABELS, values, strict=True))), job_id=job_id)
        except EaselError as error:
            return refusal(job_id, str(error))
        return unchanged(), unchanged(), unchanged(), ""

    def fetch(self, job_id: str) -> Outcome:
        """Return the pictures of a job that is over, also those that were finished before it failed."""
        try:
            state = self._backend.jobs.state(job_id)
        except UnknownName:
            return refusal(job_id, "The server was restarted and no longer knows this job. Please generate again.")
        if state.error:
            gr.Warning(html.escape(state.error.message))
        log = log_html(job_id, summary(state), error=state.error is not None)
        images = with_bytes(state.images)
        if not images:
            return unchanged(), unchanged(), unchanged(), log
        files = gallery_files(images, self._backend.paths.temporary)
        gallery = gr.Gallery(files, selected_index=0)
        return gallery, GenerationInfo.of(images).to_json(), infotext_html(images[0].infotext), log

    def interrupt(self, job_id: str | None) -> None:
        """Stop this tab's job, be it running or waiting; other tabs' jobs go on."""
        with contextlib.suppress(UnknownName):  # it ended long ago
            self._backend.jobs.cancel(job_id or "")

    def skip(self, job_id: str | None) -> None:
        """Leave the current batch of this tab's job, if it is the one that runs."""
        current = self._backend.jobs.current()
        if current and current.job.id == job_id:
            self._backend.jobs.skip()

    def style_names(self) -> list[str]:
        """Return the names of the saved styles."""
        return [style.name for style in self._styles()]

    def _styles(self) -> list[Style]:
        """Read the styles; none from a file that cannot be read, which the log says."""
        try:
            return read_styles(self._backend.paths.styles_file)
        except StylesFileError as error:
            log.warning("%s", error)
            return []

    def remembered(self, shown: str, memory: list[Any] | None, followed: str, *now: Any) -> list[Any]:
        """Return the form as this browser last submitted it, with the styles and the checkpoint that there are now.

        Args:
            shown: defaults of the checkpoint that is chosen now.
            memory: see `Txt2ImgTab.memory`; None if nothing was submitted yet.
            followed: defaults that the form on the page has followed.
            now: the fields that follow, as they are on the page.
        """
        names = self.style_names()
        form = dict(zip(LABELS, memory or [], strict=False))
        try:
            read_form(form)
        except EaselError:
            form = {}
        if memory and form:
            followed, now = memory[-1], tuple(form[name] for name in Followers._fields)
        defaults = ModelDefaults.from_json(shown)
        changes = follow(Followers(*now), ModelDefaults.from_json(followed), defaults)
        fields: dict[str, Any] = {name: form.get(name, unchanged()) for name in LABELS} | changes
        styles = [name for name in form.get("styles", []) if name in names]
        fields["styles"] = gr.Dropdown(choices=names, value=styles, multiselect=True)
        return [*fields.values(), shown, suggestions_html(defaults)]

    def follow(self, shown: str, followed: str, *now: Any) -> list[Any]:
        """Bring the fields that follow the checkpoint from the defaults `followed` to those of the one that is `shown`.

        Args:
            shown: defaults of the checkpoint that is chosen now.
            followed: defaults that the form has followed.
            now: the fields, as they are in the form.
        """
        if shown == followed:
            return [unchanged() for _ in (*Followers._fields, shown, followed)]
        defaults = ModelDefaults.from_json(shown)
        changes = follow(Followers(*now), ModelDefaults.from_json(followed), defaults)
        fields = [changes.get(name, unchanged()) for name in Followers._fields]
        return [*fields, shown, suggestions_html(defaults)]

    def count(self, prompt: str, negative_prompt: str, styles: list[str], steps: object) -> tuple[str, str]:
        """Count the tokens of both prompts with the chosen styles merged in.

        Of a prompt that changes while a picture is made in `steps` steps the longest form counts. `steps` is as the
        form has it, which may be half typed.
        """
        backtrack = self._backend.settings.snapshot().comma_padding_backtrack
        whole = steps if isinstance(steps, int) and steps in range(1, MAX_STEPS + 1) else DEFAULTS.steps
        chosen = [style for style in self._styles() if style.name in styles]

        def counted(text: str, parts: list[str]) -> str:
            tokens = count_tokens(apply_styles(text, parts), shipped_tokenizer(), backtrack=backtrack, steps=whole)
            return token_count_html(tokens.count, tokens.limit)

        return (
            counted(prompt, [style.prompt for style in chosen]),
            counted(negative_prompt, [style.negative_prompt for style in chosen]),
        )

    def connect(self, tab: Txt2ImgTab) -> None:
        """Tie the handlers to the tab's components; called inside the page's `gr.Blocks`."""
        results = [tab.results.gallery, tab.results.generation_info, tab.results.infotext, tab.results.log]
        on_queued(
            tab.actions.generate.click,
            self.submit,
            [tab.task_id, *tab.form()],
            results,
            js="(...values) => window.easel.generate(...values)",
        )
        remembered = [*tab.form(), tab.followed]
        on_light(tab.actions.generate.click, None, remembered, [tab.memory], js="(...values) => [values]")
        on_queued(tab.restore.click, self.fetch, [tab.task_id], results, js="() => window.easel.currentTask()")
        on_light(tab.actions.interrupt.click, self.interrupt, [tab.task_id], js="() => window.easel.stopping()")
        on_light(tab.actions.skip.click, self.skip, [tab.task_id], js="() => window.easel.currentTask()")
        on_light(tab.results.gallery.select, show_infotext, [tab.results.generation_info], [tab.results.infotext])
        for listener in (tab.prompts.count_tokens.click, tab.actions.styles.change):
            self.count_after(tab, listener)
        _connect_parameters(tab)

    def follow_checkpoint(self, tab: Txt2ImgTab, chosen: Listener, shown: Component) -> None:
        """When a checkpoint was `chosen`, follow it; `shown` holds its defaults."""
        outputs = [*tab.followers(), tab.followed, tab.prompts.suggestions]
        followed = on_light(chosen, self.follow, [shown, tab.followed, *tab.followers()], outputs)
        self.count_after(tab, followed.then)

    def count_after(self, tab: Txt2ImgTab, listener: Listener) -> None:
        """Show how many tokens the prompts have whenever `listener` hears of a change."""
        counted = [tab.prompts.prompt, tab.prompts.negative_prompt, tab.actions.styles, tab.parameters.steps]
        on_light(listener, self.count, counted, tab.counters())


def _connect_parameters(tab: Txt2ImgTab) -> None:
    fields = tab.parameters
    sides = [fields.width, fields.height]
    on_light(fields.swap_sides.click, None, sides, sides, js="(width, height) => [height, width]")
    on_light(fields.random_seed.click, None, [], [fields.seed], js="() => '-1'")
    on_light(
        fields.reuse_seed.click,
        reuse_seed,
        [tab.task_id, tab.results.generation_info, fields.seed],
        [fields.seed],
        js="(_, ...rest) => [String(window.easel.chosenPicture()), ...rest]",
    )


def show_infotext(info: str | None, event: gr.SelectData) -> str:
    """Return the infotext of the picture that was chosen in the gallery."""
    return infotext_html(GenerationInfo.from_json(info).infotext(event.index))


def reuse_seed(chosen: str, info: str | None, seed: str) -> str:
    """Return the seed of the chosen picture, as text since a browser's numbers cannot hold 64 bits."""
    seeds = GenerationInfo.from_json(info).seeds
    index = int(chosen)
    return str(seeds[index]) if index < len(seeds) else seed


def refusal(job_id: str, sentence: str) -> Outcome:
    """Say what went wrong, in a toast and below the pictures; pictures and form stay as they are."""
    gr.Warning(html.escape(sentence))
    return unchanged(), unchanged(), unchanged(), log_html(job_id, [sentence], error=True)
