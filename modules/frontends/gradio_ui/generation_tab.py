"""What the tabs that make pictures have in common: prompts, buttons, parameters, results."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gradio as gr
from gradio.components import Component

from modules.core.capabilities import Capabilities
from modules.core.settings import Settings
from modules.core.upscalers import LATENT_MODES, PICTURE_UPSCALERS
from modules.frontends.gradio_ui.cards_tab import build_card_tabs
from modules.frontends.gradio_ui.components import (
    html_block,
    icon_button,
    image_buttons_html,
    progress_html,
    slider,
    switched_part,
    token_counter,
)
from modules.frontends.gradio_ui.form import OVERRIDES, SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER, Field
from modules.frontends.gradio_ui.model_defaults import ModelDefaults, suggestions_html


@dataclass(frozen=True, kw_only=True)
class Offers:
    """What there is to choose from when the page is built.

    Attributes:
        worker: samplers and schedule types.
        styles: names of the saved styles.
        checkpoints: titles.
        defaults: what the current checkpoint puts into forms.
        settings: decide how cards are ordered at first.
    """

    worker: Capabilities
    styles: list[str]
    checkpoints: list[str]
    defaults: ModelDefaults
    settings: Settings


@dataclass(frozen=True)
class Parts:
    """The components of one tab, by name, while it is laid out.

    Attributes:
        tab: its name, with which all ids begin.
        known: the fields of its form by name.
        fields: their components.
        buttons: those beside them.
        texts: what the page says.
    """

    tab: str
    known: dict[str, Field]
    fields: dict[str, Component] = field(default_factory=dict[str, Component])
    buttons: dict[str, gr.Button] = field(default_factory=dict[str, gr.Button])
    texts: dict[str, gr.HTML] = field(default_factory=dict[str, gr.HTML])

    def slider(
        self, name: str, minimum: float, maximum: float, suffix: str, step: float = 1, *, value: float | None = None
    ) -> None:
        """Add a slider for a field; its id ends in `suffix`. It shows the field's default unless a value is given."""
        known = self.known[name]
        shown = known.default if value is None else value
        self.fields[name] = slider(known.label, minimum, maximum, shown, f"{self.tab}_{suffix}", step=step)

    def choice(self, name: str, choices: Sequence[str], elem_id: str, *, several: bool = False) -> None:
        """Add a drop-down for a field; of `several` choices if wanted."""
        known = self.known[name]
        self.fields[name] = gr.Dropdown(
            choices=[*choices], value=known.default, label=known.label, multiselect=several, elem_id=elem_id
        )

    def radio(self, name: str, choices: Sequence[str], elem_id: str) -> None:
        """Add radio buttons for a field."""
        known = self.known[name]
        self.fields[name] = gr.Radio(choices=[*choices], value=known.default, label=known.label, elem_id=elem_id)

    def lines(self, name: str, hint: str, elem_id: str, lines: int = 2, *, value: str = "") -> None:
        """Add a text box for a field."""
        label = self.known[name].label
        self.fields[name] = gr.Textbox(value, label=label, placeholder=hint, lines=lines, max_lines=12, elem_id=elem_id)

    def line(self, name: str, suffix: str) -> None:
        """Add a text box of one line for a field."""
        known = self.known[name]
        self.fields[name] = gr.Textbox(
            known.default, label=known.label, max_lines=1, elem_id=f"{self.tab}_{suffix}", min_width=80
        )

    def hidden(self, name: str, suffix: str) -> None:
        """Add a field that the page's script fills."""
        elem_id = f"{self.tab}_{suffix}"
        self.fields[name] = gr.Textbox(self.known[name].default, elem_id=elem_id, show_label=False)

    def tool(self, name: str, label: str, icon: str, elem_id: str) -> None:
        """Add a square button with an icon."""
        self.buttons[name] = icon_button(label, icon, elem_id)

    def button(self, name: str, made: gr.Button) -> None:
        """Add a button."""
        self.buttons[name] = made

    def text(self, name: str, made: gr.HTML) -> None:
        """Add a text."""
        self.texts[name] = made


@dataclass(frozen=True, kw_only=True)
class Results:
    """The right column: the pictures and what is known about them."""

    gallery: gr.Gallery
    generation_info: gr.Textbox
    infotext: gr.HTML
    log: gr.HTML

    def all(self) -> list[Component]:
        """Return what the end of a job has new values for."""
        return [self.gallery, self.generation_info, self.infotext, self.log]


@dataclass(frozen=True, kw_only=True)
class GenerationTab:
    """Every component of a tab that an event reads or writes.

    Attributes:
        parts: fields, buttons and texts. The buttons "restore", "remember" and "fill" are pressed by the page's
            script: when a job is over, a moment after the form was changed, and to fill the form.
        results: the pictures.
        task_id: the job that this browser tab started last.
        followed: the `ModelDefaults` that the form has followed, as JSON.
        memory: the form as it is in this browser, by name, and `followed`.
    """

    parts: Parts
    results: Results
    task_id: gr.Textbox
    followed: gr.Textbox
    memory: gr.BrowserState

    @property
    def name(self) -> str:
        """What its ids begin with."""
        return self.parts.tab

    def form(self) -> list[Component]:
        """Return the fields that make a request, in their order."""
        return [self.parts.fields[name] for name in self.parts.known]

    def fields(self, *names: str) -> list[Component]:
        """Return some of them."""
        return [self.parts.fields[name] for name in names]

    def restored(self) -> list[Component]:
        """Return what `GenerationEvents.remembered` has new values for."""
        return [*self.form(), self.followed, self.parts.texts["suggestions"]]

    def counters(self) -> list[Component]:
        """Return the token counters of the prompt and the negative prompt."""
        return [self.parts.texts["prompt_counter"], self.parts.texts["negative_counter"]]


def build_top_row(parts: Parts, offers: Offers) -> None:
    """Lay out the prompts and the buttons beside them."""
    with gr.Row(elem_id=f"{parts.tab}_toprow", elem_classes=["toprow"]):
        _build_prompts(parts, offers.defaults)
        _build_actions(parts, offers.styles)


def _build_prompts(parts: Parts, defaults: ModelDefaults) -> None:
    tab = parts.tab
    with gr.Column(scale=6, elem_id=f"{tab}_prompt_container", elem_classes=["prompts"]):
        with gr.Column(elem_classes=["prompt-box"]):
            hint = "What the picture shows (Ctrl+Enter generates)"
            parts.lines("prompt", hint, f"{tab}_prompt", lines=3, value=defaults.prompt)
            parts.text("prompt_counter", token_counter(f"{tab}_token_counter"))
            suggestions = html_block(suggestions_html(defaults), f"{tab}_suggestions", "suggestion-row")
            parts.text("suggestions", suggestions)
        with gr.Column(elem_classes=["prompt-box"]):
            parts.lines("negative_prompt", "What it must not show", f"{tab}_neg_prompt", lines=3)
            parts.text("negative_counter", token_counter(f"{tab}_negative_token_counter"))
        parts.button("count", gr.Button("Count tokens", elem_id=f"{tab}_token_button", elem_classes=["unseen"]))


def _build_actions(parts: Parts, styles: list[str]) -> None:
    tab = parts.tab
    with gr.Column(scale=1, min_width=240, elem_id=f"{tab}_actions_column", elem_classes=["actions"]):
        with gr.Row(elem_id=f"{tab}_generate_box", elem_classes=["generate-box"]):
            for name, label in (("interrupt", "Interrupt"), ("skip", "Skip")):
                made = gr.Button(label, elem_id=f"{tab}_{name}", elem_classes=["while-running", name], min_width=0)
                parts.button(name, made)
            generate = gr.Button(
                "Generate", variant="primary", elem_id=f"{tab}_generate", elem_classes=["generate"], min_width=0
            )
            parts.button("generate", generate)
        with gr.Row(elem_id=f"{tab}_tools", elem_classes=["form-tools"]):
            reading = "Read generation parameters from the prompt or the last generation"
            # A1111's page has this id once, and its extensions look for it.
            parts.tool("paste", reading, "paste", "paste" if tab == "txt2img" else f"{tab}_paste")
            parts.tool("clear", "Clear the prompts", "clear", f"{tab}_clear_prompt")
            parts.tool("apply_styles", "Put the chosen styles into the prompts", "apply", f"{tab}_style_apply")
            parts.tool("edit_styles", "Edit styles", "brush", f"{tab}_styles_edit_button")
            parts.tool("undo", "Undo a change of the form", "undo", f"{tab}_undo")
            parts.tool("redo", "Redo it", "redo", f"{tab}_redo")
        parts.choice("styles", styles, f"{tab}_styles", several=True)


def build_sampling(parts: Parts, offers: Offers) -> None:
    """Lay out sampler, schedule type and steps."""
    with gr.Row():
        parts.choice("sampler", [info.name for info in offers.worker.samplers], f"{parts.tab}_sampling")
        parts.choice("scheduler", [info.label for info in offers.worker.schedulers], f"{parts.tab}_scheduler")
    parts.slider("steps", 1, 150, "steps")


def build_batches(parts: Parts) -> None:
    """Lay out how many pictures are made."""
    with gr.Column(elem_classes=["pair"]):
        parts.slider("batch_count", 1, 100, "batch_count")
        parts.slider("batch_size", 1, 8, "batch_size")


def build_seeds(parts: Parts) -> None:
    """Lay out the seed, and what is seen of it with "Extra"."""
    tab = parts.tab
    with gr.Column(elem_classes=["switched", "seeds"]):
        with gr.Row(elem_id=f"{tab}_seed_row", elem_classes=["seed-row"]):
            # A text box, because a browser's number box cannot hold a 64-bit seed exactly.
            parts.line("seed", "seed")
            parts.tool("random_seed", "Random seed", "dice", f"{tab}_random_seed")
            parts.tool("reuse_seed", "Seed of the chosen picture", "recycle", f"{tab}_reuse_seed")
            parts.fields["seed_extra"] = gr.Checkbox(
                label="Extra", elem_id=f"{tab}_subseed_show", elem_classes=["switch"], container=False, min_width=0
            )
        with gr.Column(elem_classes=["fold"]):
            with gr.Row(elem_id=f"{tab}_subseed_row", elem_classes=["seed-row"]):
                parts.line("subseed", "subseed")
                parts.tool("random_subseed", "Random variation seed", "dice", f"{tab}_random_subseed")
                label = "Variation seed of the chosen picture"
                parts.tool("reuse_subseed", label, "recycle", f"{tab}_reuse_subseed")
            parts.slider("subseed_strength", 0, 1, "subseed_strength", step=0.01)
            with gr.Row():
                parts.slider("seed_resize_from_width", 0, 2048, "seed_resize_from_w", step=8)
                parts.slider("seed_resize_from_height", 0, 2048, "seed_resize_from_h", step=8)


def build_hires(parts: Parts, offers: Offers) -> None:
    """Lay out Hires. fix."""
    samplers = [info.name for info in offers.worker.samplers]
    labels = [info.label for info in offers.worker.schedulers]
    with switched_part(parts.known["enable_hr"].label, "txt2img_hr-checkbox") as enable:
        parts.fields["enable_hr"] = enable
        parts.text("hires_size", html_block("", "txtimg_hr_finalres", "final-size"))
        with gr.Row():
            parts.choice("hr_upscaler", [*LATENT_MODES, *PICTURE_UPSCALERS], "txt2img_hr_upscaler")
            parts.slider("hr_steps", 0, 150, "hires_steps")
        with gr.Row():
            parts.slider("hr_denoising", 0, 1, "denoising_strength", 0.01)
            parts.slider("hr_scale", 1, 4, "hr_scale", 0.05)
        with gr.Row():
            parts.slider("hr_width", 0, 2048, "hr_resize_x", 8)
            parts.slider("hr_height", 0, 2048, "hr_resize_y", 8)
        parts.choice("hr_checkpoint", [SAME_CHECKPOINT, *offers.checkpoints], "hr_checkpoint")
        with gr.Row():
            parts.choice("hr_sampler", [SAME_SAMPLER, *samplers], "hr_sampler")
            parts.choice("hr_scheduler", [SAME_SCHEDULER, *labels], "hr_scheduler")
        parts.lines("hr_prompt", "Empty for the prompt of the first pass", "hires_prompt")
        parts.lines("hr_negative_prompt", "Empty for that of the first pass", "hires_neg_prompt")


def build_refiner(parts: Parts, offers: Offers) -> None:
    """Lay out the refiner."""
    with switched_part(parts.known["enable_refiner"].label, f"{parts.tab}_enable-checkbox") as enable, gr.Row():
        parts.fields["enable_refiner"] = enable
        parts.choice("refiner_checkpoint", offers.checkpoints, f"{parts.tab}_checkpoint")
        parts.slider("refiner_switch_at", 0.01, 1, "switch_at", step=0.01)


def build_overrides(parts: Parts) -> None:
    """Lay out the settings that the form changes for its own pictures; seen when there are any."""
    parts.fields[OVERRIDES.name] = gr.Dropdown(
        [],
        label=OVERRIDES.label,
        multiselect=True,
        elem_id=f"{parts.tab}_override_settings",
        elem_classes=["overrides"],
    )


def build_results(tab: str) -> Results:
    """Lay out the column of results."""
    with gr.Column(scale=1, elem_id=f"{tab}_results", elem_classes=["card", "results"]):
        with gr.Column(elem_id=f"{tab}_gallery_container", elem_classes=["picture-stage"]):
            gallery = gr.Gallery(
                label="Output",
                show_label=False,
                elem_id=f"{tab}_gallery",
                columns=4,
                height="100%",
                object_fit="contain",
                preview=True,
                format="png",
                interactive=False,
                buttons=["download", "fullscreen"],
            )
            html_block(progress_html(tab, preview=True), f"{tab}_progress", "live-holder")
        html_block(image_buttons_html(tab), f"image_buttons_{tab}")
        infotext = html_block("", f"html_info_{tab}", "infotext")
        log = html_block("", f"html_log_{tab}", "log")
        generation_info = gr.Textbox(elem_id=f"generation_info_{tab}", elem_classes=["unseen"], show_label=False)
    return Results(gallery=gallery, generation_info=generation_info, infotext=infotext, log=log)


def build_tab(
    parts: Parts, offers: Offers, memory: gr.BrowserState, build_parameters: Callable[[Parts, Offers], None]
) -> GenerationTab:
    """Lay a whole tab out; called inside a `gr.Tab`.

    Args:
        parts: empty.
        offers: what there is to choose from.
        memory: see `build_memory`.
        build_parameters: lays out what is special to the tab.
    """
    tab = parts.tab
    build_top_row(parts, offers)
    with gr.Row(elem_id=f"{tab}_main", elem_classes=["main-row"]):
        with (
            gr.Column(scale=1, elem_id=f"{tab}_left", elem_classes=["card", "left"]),
            gr.Tabs(elem_id=f"{tab}_extra_tabs", elem_classes=["extra-tabs"], overflow_behavior="wrap"),
        ):
            with (
                gr.Tab("Generation", id=f"{tab}_generation", elem_id=f"{tab}_generation_tab"),
                gr.Column(elem_id=f"{tab}_settings", elem_classes=["settings"]),
            ):
                build_parameters(parts, offers)
            build_card_tabs(tab, offers.settings)
        results = build_results(tab)
    with gr.Row(elem_classes=["unseen"]):
        task_id = gr.Textbox(elem_id=f"{tab}_task_id", show_label=False)
        followed = gr.Textbox(offers.defaults.to_json(), elem_id=f"{tab}_followed", show_label=False)
        for name, label in (
            ("remember", "Remember the form"),
            ("fill", "Fill the form"),
            ("styles_changed", "Read the styles again"),
            ("restore", "Fetch the pictures of a finished job"),
        ):
            elem_id = f"{tab}_restore_progress" if name == "restore" else f"{tab}_{name}"
            parts.button(name, gr.Button(label, elem_id=elem_id))
    return GenerationTab(parts=parts, results=results, task_id=task_id, followed=followed, memory=memory)


def build_memory(tab: str) -> gr.BrowserState:
    """Return where a browser remembers the form of the tab called `tab`; laid out beside the tabs.

    What is within a tab does not exist before it is opened, and the memory is read when the page is.
    """
    # The secret only has to be the same after a restart: what is kept is the person's own form, in their own browser.
    return gr.BrowserState(storage_key=f"easel.{tab}", secret="easel")  # noqa: S106  # no secret, see above
