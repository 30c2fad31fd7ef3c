"""What happens when something on the txt2img tab is pressed.

A job takes seconds to hours, and a browser's connection does not always live as long (a phone is locked, a notebook
sleeps). So no event waits for a job: Generate submits it, the page's script follows it by A1111's `/internal/progress`,
and fetches the pictures when it is over, whether or not the page was reloaded meanwhile.
"""

import contextlib
import html
import json
import logging
from collections.abc import Mapping
from typing import Any, cast

import gradio as gr
from gradio.components import Component

from modules.core.errors import EaselError, UnknownName
from modules.core.parameters import MAX_STEPS
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.components import token_count_html
from modules.frontends.gradio_ui.events import Listener, on_light, on_queued, unchanged
from modules.frontends.gradio_ui.form import (
    OVERRIDES,
    SAME_CHECKPOINT,
    TXT2IMG_FIELDS,
    defaults,
    read_txt2img,
)
from modules.frontends.gradio_ui.infotext_form import HIRES_SIZE_FIELDS, hires_size_html, txt2img_form_of
from modules.frontends.gradio_ui.model_defaults import Followers, ModelDefaults, follow, suggestions_html
from modules.frontends.gradio_ui.outcome import (
    GenerationInfo,
    gallery_files,
    infotext_html,
    log_html,
    summary,
    with_bytes,
)
from modules.frontends.gradio_ui.txt2img_tab import Txt2ImgTab
from modules.imaging.override_texts import read_overrides
from modules.prompting.chunks import count_tokens
from modules.prompting.styles import Style, StylesFileError, apply_styles, read_styles
from modules.prompting.tokenizer import shipped_tokenizer

log = logging.getLogger(__name__)

NAMES = tuple(field.name for field in TXT2IMG_FIELDS)

Outcome = tuple[Any, Any, Any, Any]
"""New values of gallery, generation info, infotext and log; `unchanged()` for what stays as it is."""


class Txt2ImgEvents:
    """The handlers of one page, for all its visitors; they keep no state of their own."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def submit(self, job_id: str, *values: object) -> Outcome:
        """Queue the job that the form asks for, or say what is wrong with it."""
        form = dict(zip(NAMES, values, strict=True))
        try:
            overrides = read_overrides(_texts(form[OVERRIDES.name]))
            self._backend.jobs.submit(read_txt2img(form), job_id=job_id, overrides=overrides)
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

    def remembered(self, shown: str, memory: object, followed: str, *now: Any) -> list[Any]:
        """Return the form as it was left in this browser, with the styles and the checkpoints that there are now.

        Args:
            shown: defaults of the checkpoint that is chosen now.
            memory: see `Txt2ImgTab.memory`; None if nothing was entered yet.
            followed: defaults that the form on the page has followed.
            now: the fields that follow, as they are on the page.
        """
        form = remembered_form(memory)
        if form:
            followed = str(form.get("followed", followed))
            now = tuple(form.get(name) for name in Followers._fields)
        shown_now = ModelDefaults.from_json(shown)
        changes = follow(Followers(*now), ModelDefaults.from_json(followed), shown_now)
        return [*self._fields(form | changes), shown, suggestions_html(shown_now)]

    def _fields(self, values: Mapping[str, Any]) -> list[Any]:
        """Return new values for all fields: those in `values`, and new choices for those that offer what there is."""
        styles, titles = self.style_names(), [file.title for file in self._backend.checkpoints.all()]
        filled: dict[str, Any] = {name: values.get(name, unchanged()) for name in NAMES}
        choices = {
            "styles": styles,
            "hr_checkpoint": [SAME_CHECKPOINT, *titles],
            "refiner_checkpoint": titles,
        }
        for name, offered in choices.items():
            given: dict[str, Any] = {"value": values[name]} if name in values else {}
            if name == "styles":
                given = {each: [style for style in _texts(value) if style in styles] for each, value in given.items()}
            filled[name] = gr.Dropdown(choices=offered, multiselect=name == "styles", **given)
        if OVERRIDES.name in values:
            texts = _texts(values[OVERRIDES.name])
            filled[OVERRIDES.name] = gr.Dropdown(choices=texts, value=texts, multiselect=True)
        return [filled[name] for name in NAMES]

    def paste(self, prompt: str | None, job_id: str | None) -> list[Any]:
        """Fill the form from an infotext: the one in the prompt, or if that is empty, that of the last picture."""
        text = (prompt or "").strip() or self._last_infotext(job_id)
        if not text:
            gr.Info("There are no generation parameters yet: put an infotext into the prompt, or make a picture.")
            return [unchanged() for _ in NAMES]
        return self._fields(txt2img_form_of(text, self._backend))

    def _last_infotext(self, job_id: str | None) -> str:
        try:
            images = self._backend.jobs.state(job_id or "").images
        except UnknownName:
            images = ()
        return images[0].infotext if images else ""

    def apply_styles(self, prompt: str, negative_prompt: str, styles: list[str]) -> tuple[str, str, list[str]]:
        """Put the texts of the chosen styles into the prompts, and let go of the styles."""
        chosen = [style for style in self._styles() if style.name in styles]
        return (
            apply_styles(prompt, [style.prompt for style in chosen]),
            apply_styles(negative_prompt, [style.negative_prompt for style in chosen]),
            [],
        )

    def hires_size(self, *values: object) -> str:
        """Return the sentence that says how large the second pass makes a picture."""
        return hires_size_html(dict(zip(HIRES_SIZE_FIELDS, values, strict=True)))

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
        whole = (
            steps if isinstance(steps, int) and steps in range(1, MAX_STEPS + 1) else defaults(TXT2IMG_FIELDS)["steps"]
        )
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
        names = json.dumps([*NAMES, "followed"])
        kept = [*tab.form(), tab.followed]
        for listener in (tab.actions.generate.click, tab.remember.click):
            on_light(
                listener, None, kept, [tab.memory], js=f"(...values) => window.easel.kept('txt2img', {names}, values)"
            )
        on_light(tab.fill.click, None, kept, kept, js="(...values) => window.easel.wanted('txt2img', values)")
        on_queued(tab.restore.click, self.fetch, [tab.task_id], results, js="() => window.easel.currentTask()")
        on_light(tab.actions.interrupt.click, self.interrupt, [tab.task_id], js="() => window.easel.stopping()")
        on_light(tab.actions.skip.click, self.skip, [tab.task_id], js="() => window.easel.currentTask()")
        on_light(tab.results.gallery.select, show_infotext, [tab.results.generation_info], [tab.results.infotext])
        self._connect_tools(tab)
        for listener in (tab.prompts.count_tokens.click, tab.actions.styles.change):
            self.count_after(tab, listener)
        _connect_parameters(tab)

    def _connect_tools(self, tab: Txt2ImgTab) -> None:
        actions, prompts, fields = tab.actions, tab.prompts, tab.parameters
        both = [prompts.prompt, prompts.negative_prompt]
        pasted = on_queued(
            actions.paste.click,
            self.paste,
            [prompts.prompt, tab.task_id],
            tab.form(),
            js="(prompt) => [window.easel.pasted() ?? prompt, window.easel.currentTask()]",
        )
        self.count_after(tab, pasted.then)
        on_light(actions.clear.click, None, [], both, js="() => ['', '']")
        on_light(actions.apply_styles.click, self.apply_styles, [*both, actions.styles], [*both, actions.styles])
        size = [
            fields.hires.enable,
            fields.width,
            fields.height,
            fields.hires.scale,
            fields.hires.width,
            fields.hires.height,
        ]
        for field in size:
            on_light(field.change, self.hires_size, size, [fields.hires.size])

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
    seeds = fields.seeds
    for random, reuse, seed, which in (
        (seeds.random_seed, seeds.reuse_seed, seeds.seed, reuse_seed),
        (seeds.random_subseed, seeds.reuse_subseed, seeds.subseed, reuse_subseed),
    ):
        on_light(random.click, None, [], [seed], js="() => '-1'")
        on_light(
            reuse.click,
            which,
            [tab.task_id, tab.results.generation_info, seed],
            [seed],
            js="(_, ...rest) => [String(window.easel.chosenPicture()), ...rest]",
        )


def show_infotext(info: str | None, event: gr.SelectData) -> str:
    """Return the infotext of the picture that was chosen in the gallery."""
    return infotext_html(GenerationInfo.from_json(info).infotext(event.index))


def reuse_seed(chosen: str, info: str | None, seed: str) -> str:
    """Return the seed of the chosen picture, as text since a browser's numbers cannot hold 64 bits."""
    return _nth(GenerationInfo.from_json(info).seeds, chosen, seed)


def reuse_subseed(chosen: str, info: str | None, subseed: str) -> str:
    """Return the variation seed of the chosen picture, likewise."""
    return _nth(GenerationInfo.from_json(info).subseeds, chosen, subseed)


def _nth(seeds: tuple[int, ...], chosen: str, otherwise: str) -> str:
    index = int(chosen)
    return str(seeds[index]) if index < len(seeds) else otherwise


def remembered_form(memory: object) -> dict[str, Any]:
    """Return what a browser remembers of a form, as far as it can be shown; it may be of another version."""
    if not isinstance(memory, dict):
        return {}
    form = {str(name): value for name, value in cast("dict[object, object]", memory).items()}
    shown = defaults(TXT2IMG_FIELDS) | {name: form[name] for name in NAMES if name in form}
    try:
        read_txt2img(shown | {"refiner_checkpoint": shown["refiner_checkpoint"] or "none"})
        read_overrides(_texts(shown[OVERRIDES.name]))
    except EaselError:
        return {}
    return {name: value for name, value in form.items() if name in (*NAMES, "followed")}


def _texts(value: object) -> list[str]:
    return [str(entry) for entry in cast("list[object]", value)] if isinstance(value, list) else []


def refusal(job_id: str, sentence: str) -> Outcome:
    """Say what went wrong, in a toast and below the pictures; pictures and form stay as they are."""
    gr.Warning(html.escape(sentence))
    return unchanged(), unchanged(), unchanged(), log_html(job_id, [sentence], error=True)
