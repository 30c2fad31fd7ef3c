"""What happens when something on a tab that makes pictures is pressed.

A job takes seconds to hours, and a browser's connection does not always live as long (a phone is locked, a notebook
sleeps). So no event waits for a job: Generate submits it, the page's script follows it by A1111's `/internal/progress`,
and fetches the pictures when it is over, whether or not the page was reloaded meanwhile.
"""

import contextlib
import html
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr
from gradio.components import Component

from modules.core.errors import EaselError, UnknownName
from modules.core.parameters import MAX_STEPS, Img2Img, Txt2Img
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.components import token_count_html
from modules.frontends.gradio_ui.events import Listener, on_light, on_queued, unchanged
from modules.frontends.gradio_ui.form import (
    IMG2IMG_FIELDS,
    OVERRIDES,
    SAME_CHECKPOINT,
    TXT2IMG_FIELDS,
    Field,
    read_img2img,
    read_txt2img,
)
from modules.frontends.gradio_ui.generation_tab import GenerationTab
from modules.frontends.gradio_ui.infotext_form import (
    HIRES_SIZE_FIELDS,
    hires_size_html,
    img2img_form_of,
    txt2img_form_of,
)
from modules.frontends.gradio_ui.model_defaults import Followers, ModelDefaults, follow, suggestions_html
from modules.frontends.gradio_ui.outcome import (
    GenerationInfo,
    gallery_files,
    infotext_html,
    log_html,
    summary,
    with_bytes,
)
from modules.imaging.override_texts import read_overrides
from modules.jobs.origin import Origin
from modules.prompting.chunks import count_tokens
from modules.prompting.styles import Style, StylesFileError, apply_styles, read_styles
from modules.prompting.tokenizer import shipped_tokenizer
from modules.storage.uploads import Uploads

log = logging.getLogger(__name__)

USUAL_STEPS = 20

_SHAPES: dict[type, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    int: (int, float, type(None)),
    float: (int, float, type(None)),
    list: (list,),
    type(None): (str, type(None)),
}
"""What a field may hold in a browser's memory, by the kind of its default. A number may be empty while it is typed."""

Outcome = tuple[Any, Any, Any, Any]
"""New values of gallery, generation info, infotext and log; `unchanged()` for what stays as it is."""


@dataclass(frozen=True, kw_only=True)
class FormKind:
    """What one tab's form is.

    Attributes:
        fields: in the order of the events' inputs.
        read: makes the request that values by name ask for; raises `EaselError`.
        of_infotext: returns the values that an infotext means, by name.
    """

    fields: tuple[Field, ...]
    read: Callable[[Mapping[str, object]], Txt2Img | Img2Img]
    of_infotext: Callable[[str, Backend], dict[str, Any]]


TXT2IMG = FormKind(fields=TXT2IMG_FIELDS, read=read_txt2img, of_infotext=txt2img_form_of)


def img2img_kind(backend: Backend) -> FormKind:
    """Return the form of the img2img tab, whose pictures are read from where the page has sent them."""
    uploads = Uploads(backend.paths.uploads)
    return FormKind(
        fields=IMG2IMG_FIELDS,
        read=lambda values: read_img2img(values, uploads.read),
        of_infotext=img2img_form_of,
    )


class GenerationEvents:
    """The handlers of one tab, for all its visitors; they keep no state of their own."""

    def __init__(self, backend: Backend, kind: FormKind) -> None:
        self._backend = backend
        self._kind = kind
        self._names = tuple(field.name for field in kind.fields)

    def submit(self, job_id: str, *values: object) -> Outcome:
        """Queue the job that the form asks for, or say what is wrong with it."""
        form = dict(zip(self._names, values, strict=True))
        try:
            overrides = read_overrides(texts_of(form[OVERRIDES.name]))
            self._backend.settings.overridden(overrides)  # from a browser: not every value of every setting will do
            request = self._kind.read(form)
            self._backend.jobs.submit(request, job_id=job_id, overrides=overrides, origin=Origin.PAGE)
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
            memory: see `GenerationTab.memory`; None if nothing was entered yet.
            followed: defaults that the form on the page has followed.
            now: the fields that follow, as they are on the page.
        """
        form = self._remembered_form(memory)
        if form:
            followed = str(form.get("followed", followed))
            now = tuple(form.get(name) for name in Followers._fields)
        shown_now = ModelDefaults.from_json(shown)
        changes = follow(Followers(*now), ModelDefaults.from_json(followed), shown_now)
        return [*self._fields(form | changes), shown, suggestions_html(shown_now)]

    def _fields(self, values: Mapping[str, Any]) -> list[Any]:
        """Return new values for all fields: those in `values`, and new choices for those that offer what there is."""
        styles, titles = self.style_names(), [file.title for file in self._backend.checkpoints.all()]
        filled: dict[str, Any] = {name: values.get(name, unchanged()) for name in self._names}
        choices = {
            "styles": styles,
            "hr_checkpoint": [SAME_CHECKPOINT, *titles],
            "refiner_checkpoint": titles,
        }
        for name, offered in choices.items():
            if name not in filled:
                continue
            given: dict[str, Any] = {"value": values[name]} if name in values else {}
            if name == "styles":
                given = {each: [style for style in texts_of(value) if style in styles] for each, value in given.items()}
            filled[name] = gr.Dropdown(choices=offered, multiselect=name == "styles", **given)
        if OVERRIDES.name in values:
            texts = texts_of(values[OVERRIDES.name])
            filled[OVERRIDES.name] = gr.Dropdown(choices=texts, value=texts, multiselect=True)
        return [filled[name] for name in self._names]

    def paste(self, prompt: str | None, job_id: str | None) -> list[Any]:
        """Fill the form from an infotext: the one in the prompt, or if that is empty, that of the last picture."""
        text = (prompt or "").strip() or self._last_infotext(job_id)
        if not text:
            gr.Info("There are no generation parameters yet: put an infotext into the prompt, or make a picture.")
            return [unchanged() for _ in self._names]
        return self._fields(self._kind.of_infotext(text, self._backend))

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
        whole = steps if isinstance(steps, int) and steps in range(1, MAX_STEPS + 1) else USUAL_STEPS
        chosen = [style for style in self._styles() if style.name in styles]

        def counted(text: str, parts: list[str]) -> str:
            tokens = count_tokens(apply_styles(text, parts), shipped_tokenizer(), backtrack=backtrack, steps=whole)
            return token_count_html(tokens.count, tokens.limit)

        return (
            counted(prompt, [style.prompt for style in chosen]),
            counted(negative_prompt, [style.negative_prompt for style in chosen]),
        )

    def connect(self, tab: GenerationTab) -> None:
        """Tie the handlers to the tab's components; called inside the page's `gr.Blocks`."""
        buttons, results, own = tab.parts.buttons, tab.results, json.dumps(tab.name)
        on_queued(
            buttons["generate"].click,
            self.submit,
            [tab.task_id, *tab.form()],
            results.all(),
            js=f"(...values) => window.easel.generate({own}, {json.dumps(self._names)}, values)",
        )
        names = json.dumps([*self._names, "followed"])
        kept = [*tab.form(), tab.followed]
        for name in ("generate", "remember"):
            js = f"(...values) => window.easel.kept({own}, {names}, values)"
            on_light(buttons[name].click, None, kept, [tab.memory], js=js)
        on_light(buttons["fill"].click, None, kept, kept, js=f"(...values) => window.easel.wanted({own}, values)")
        current = f"() => window.easel.currentTask({own})"
        on_queued(buttons["restore"].click, self.fetch, [tab.task_id], results.all(), js=current)
        on_light(buttons["interrupt"].click, self.interrupt, [tab.task_id], js=f"() => window.easel.stopping({own})")
        on_light(buttons["skip"].click, self.skip, [tab.task_id], js=current)
        on_light(results.gallery.select, show_infotext, [results.generation_info], [results.infotext])
        self._connect_tools(tab)
        self._connect_seeds(tab)

    def _connect_tools(self, tab: GenerationTab) -> None:
        buttons, own = tab.parts.buttons, json.dumps(tab.name)
        prompts, styled = tab.fields("prompt", "negative_prompt"), tab.fields("prompt", "negative_prompt", "styles")
        pasted = on_queued(
            buttons["paste"].click,
            self.paste,
            [prompts[0], tab.task_id],
            tab.form(),
            js=f"(prompt) => [window.easel.pasted({own}) ?? prompt, window.easel.currentTask({own})]",
        )
        self.count_after(tab, pasted.then)
        # What was filled in is a state of the form, however long that took, so that it can be undone.
        noted = json.dumps(f"{tab.name}_remember")
        on_light(pasted.then, None, [], [], js=f"() => document.getElementById({noted}).click()")
        on_light(buttons["clear"].click, None, [], prompts, js="() => ['', '']")
        on_light(buttons["apply_styles"].click, self.apply_styles, styled, styled)
        for listener in (buttons["count"].click, tab.parts.fields["styles"].change):  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]  # a drop-down
            self.count_after(tab, cast("Listener", listener))
        # Its dialog is the page's script's.
        on_light(buttons["styles_changed"].click, lambda: gr.Dropdown(choices=self.style_names()), [], styled[2:])
        sides = tab.fields("width", "height")
        swap = "(width, height) => [height, width]"
        on_light(buttons["swap_sides"].click, None, sides, sides, js=swap)
        if "hires_size" in tab.parts.texts:
            size = tab.fields(*HIRES_SIZE_FIELDS)
            for field in size:
                changed = cast("Listener", field.change)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # sliders and a checkbox
                on_light(changed, self.hires_size, size, [tab.parts.texts["hires_size"]])

    def _connect_seeds(self, tab: GenerationTab) -> None:
        buttons, own = tab.parts.buttons, json.dumps(tab.name)
        for name, which in (("seed", reuse_seed), ("subseed", reuse_subseed)):
            seed = tab.parts.fields[name]
            on_light(buttons[f"random_{name}"].click, None, [], [seed], js="() => '-1'")
            on_light(
                buttons[f"reuse_{name}"].click,
                which,
                [tab.task_id, tab.results.generation_info, seed],
                [seed],
                js=f"(_, ...rest) => [String(window.easel.chosenPicture({own})), ...rest]",
            )

    def follow_checkpoint(self, tab: GenerationTab, chosen: Listener, shown: Component) -> None:
        """When a checkpoint was `chosen`, follow it; `shown` holds its defaults."""
        followers = tab.fields(*Followers._fields)
        outputs = [*followers, tab.followed, tab.parts.texts["suggestions"]]
        followed = on_light(chosen, self.follow, [shown, tab.followed, *followers], outputs)
        self.count_after(tab, followed.then)

    def offer_checkpoints(self, tab: GenerationTab, found: Listener) -> None:
        """When checkpoints were `found`, let them be chosen."""
        names = [name for name in ("hr_checkpoint", "refiner_checkpoint") if name in tab.parts.known]
        on_light(found, lambda: self._checkpoint_choices(names), [], tab.fields(*names))

    def _checkpoint_choices(self, names: list[str]) -> Any:
        titles = [file.title for file in self._backend.checkpoints.all()]
        first = {"hr_checkpoint": [SAME_CHECKPOINT]}
        made = [gr.Dropdown(choices=[*first.get(name, []), *titles]) for name in names]
        return made if len(made) > 1 else made[0]

    def count_after(self, tab: GenerationTab, listener: Listener) -> None:
        """Show how many tokens the prompts have whenever `listener` hears of a change."""
        counted = tab.fields("prompt", "negative_prompt", "styles", "steps")
        on_light(listener, self.count, counted, tab.counters())

    def _remembered_form(self, memory: object) -> dict[str, Any]:
        """Return what a browser remembers of a form, as far as it can be shown; it may be of another version."""
        if not isinstance(memory, dict):
            return {}
        form = {str(name): value for name, value in cast("dict[object, object]", memory).items()}
        shown = {name: value for name, value in form.items() if name in self._names}
        for field in self._kind.fields:
            if field.name in shown and not isinstance(shown[field.name], _SHAPES[type(field.default)]):
                return {}
        return shown | ({"followed": form["followed"]} if "followed" in form else {})


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


def texts_of(value: object) -> list[str]:
    """Return what a drop-down of several choices holds."""
    return [str(entry) for entry in cast("list[object]", value)] if isinstance(value, list) else []


def refusal(job_id: str, sentence: str) -> Outcome:
    """Say what went wrong, in a toast and below the pictures; pictures and form stay as they are."""
    gr.Warning(html.escape(sentence))
    return unchanged(), unchanged(), unchanged(), log_html(job_id, [sentence], error=True)
