"""The txt2img tab: what is on it and where. What it does is in `txt2img_events.py`."""

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from modules.core.capabilities import Capabilities
from modules.core.parameters import Txt2Img
from modules.core.settings import Settings
from modules.frontends.gradio_ui.cards_tab import build_card_tabs
from modules.frontends.gradio_ui.components import html_block, icon_button, progress_html, slider, token_counter
from modules.frontends.gradio_ui.form import OVERRIDES
from modules.frontends.gradio_ui.form_parts import (
    HiresParts,
    RefinerParts,
    SeedParts,
    build_hires,
    build_refiner,
    build_seeds,
)
from modules.frontends.gradio_ui.model_defaults import ModelDefaults, suggestions_html

DEFAULTS = Txt2Img()


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The prompt boxes and what belongs to them."""

    prompt: gr.Textbox
    negative_prompt: gr.Textbox
    prompt_counter: gr.HTML
    suggestions: gr.HTML
    negative_counter: gr.HTML
    count_tokens: gr.Button


@dataclass(frozen=True, kw_only=True)
class Actions:
    """The buttons that start and stop the work, and the styles below them."""

    generate: gr.Button
    interrupt: gr.Button
    skip: gr.Button
    paste: gr.Button
    clear: gr.Button
    apply_styles: gr.Button
    undo: gr.Button
    redo: gr.Button
    styles: gr.Dropdown


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The left column: how the pictures are made."""

    sampler: gr.Dropdown
    scheduler: gr.Dropdown
    steps: gr.Slider
    width: gr.Slider
    height: gr.Slider
    swap_sides: gr.Button
    batch_count: gr.Slider
    batch_size: gr.Slider
    cfg_scale: gr.Slider
    seeds: SeedParts
    hires: HiresParts
    refiner: RefinerParts
    overrides: gr.Dropdown


@dataclass(frozen=True, kw_only=True)
class Results:
    """The right column: the pictures and what is known about them."""

    gallery: gr.Gallery
    generation_info: gr.Textbox
    infotext: gr.HTML
    log: gr.HTML


@dataclass(frozen=True, kw_only=True)
class Txt2ImgTab:
    """Every component of the tab that an event reads or writes.

    Attributes:
        prompts: what the pictures show.
        actions: start and stop.
        parameters: how the pictures are made.
        results: the pictures.
        task_id: the job that this browser tab started last.
        followed: the `ModelDefaults` that the form has followed, as JSON.
        restore: pressed by the page's script when a job is over.
        remember: pressed by it a moment after the form was changed.
        fill: pressed by it to fill the form.
        memory: the form as it is in this browser, by name, and `followed`.
    """

    prompts: Prompts
    actions: Actions
    parameters: Parameters
    results: Results
    task_id: gr.Textbox
    followed: gr.Textbox
    restore: gr.Button
    remember: gr.Button
    fill: gr.Button
    memory: gr.BrowserState

    def form(self) -> list[Component]:
        """Return the fields that make a request, in the order of `form.TXT2IMG_FIELDS`."""
        fields = self.parameters
        return [
            self.prompts.prompt,
            self.prompts.negative_prompt,
            self.actions.styles,
            fields.sampler,
            fields.scheduler,
            fields.steps,
            fields.width,
            fields.height,
            fields.batch_count,
            fields.batch_size,
            fields.cfg_scale,
            *fields.seeds.form(),
            *fields.hires.form(),
            *fields.refiner.form(),
            fields.overrides,
        ]

    def restored(self) -> list[Component]:
        """Return what `Txt2ImgEvents.remembered` has new values for."""
        return [*self.form(), self.followed, self.prompts.suggestions]

    def followers(self) -> list[Component]:
        """Return the fields that follow the checkpoint, in the order of `Followers`."""
        return [self.prompts.prompt, self.parameters.width, self.parameters.height]

    def counters(self) -> list[Component]:
        """Return the token counters of the prompt and the negative prompt."""
        return [self.prompts.prompt_counter, self.prompts.negative_counter]


def build_txt2img_tab(
    offers: Capabilities, styles: list[str], defaults: ModelDefaults, settings: Settings, checkpoints: list[str]
) -> Txt2ImgTab:
    """Lay the tab out; called inside a `gr.Blocks`.

    Args:
        offers: fills the drop-downs of samplers and schedule types.
        styles: names of the saved styles.
        defaults: what the current checkpoint puts into the form.
        settings: decide how cards are ordered at first.
        checkpoints: titles of those that there are.
    """
    with gr.Row(elem_id="txt2img_toprow", elem_classes=["toprow"]):
        prompts = _build_prompts(defaults)
        actions = _build_actions(styles)
    with gr.Row(elem_id="txt2img_main", elem_classes=["main-row"]):
        with (
            gr.Column(scale=1, elem_id="txt2img_left", elem_classes=["card", "left"]),
            gr.Tabs(elem_id="txt2img_extra_tabs", overflow_behavior="wrap"),
        ):
            with gr.Tab("Generation", id="txt2img_generation", elem_id="txt2img_generation_tab"):
                parameters = _build_parameters(offers, defaults, checkpoints)
            build_card_tabs("txt2img", settings)
        results = _build_results()
    with gr.Row(elem_classes=["unseen"]):
        task_id = gr.Textbox(elem_id="txt2img_task_id", show_label=False)
        followed = gr.Textbox(defaults.to_json(), elem_id="txt2img_followed", show_label=False)
        remember = gr.Button("Remember the form", elem_id="txt2img_remember")
        fill = gr.Button("Fill the form", elem_id="txt2img_fill")
        restore = gr.Button("Fetch the pictures of a finished job", elem_id="txt2img_restore_progress")
    # The secret only has to be the same after a restart: what is kept is the person's own form, in their own browser.
    memory = gr.BrowserState(storage_key="easel.txt2img", secret="easel")  # noqa: S106  # no secret, see above
    return Txt2ImgTab(
        prompts=prompts,
        actions=actions,
        parameters=parameters,
        results=results,
        task_id=task_id,
        followed=followed,
        restore=restore,
        remember=remember,
        fill=fill,
        memory=memory,
    )


def _build_prompts(defaults: ModelDefaults) -> Prompts:
    with gr.Column(scale=6, elem_id="txt2img_prompt_container", elem_classes=["prompts"]):
        with gr.Column(elem_classes=["prompt-box"]):
            prompt = gr.Textbox(
                defaults.prompt,
                label="Prompt",
                lines=3,
                max_lines=12,
                placeholder="What the picture shows (Ctrl+Enter generates)",
                elem_id="txt2img_prompt",
            )
            prompt_counter = token_counter("txt2img_token_counter")
            suggestions = html_block(suggestions_html(defaults), "txt2img_suggestions", "suggestion-row")
        with gr.Column(elem_classes=["prompt-box"]):
            negative_prompt = gr.Textbox(
                label="Negative prompt",
                lines=3,
                max_lines=12,
                placeholder="What it must not show",
                elem_id="txt2img_neg_prompt",
            )
            negative_counter = token_counter("txt2img_negative_token_counter")
        count_tokens = gr.Button("Count tokens", elem_id="txt2img_token_button", elem_classes=["unseen"])
    return Prompts(
        prompt=prompt,
        negative_prompt=negative_prompt,
        prompt_counter=prompt_counter,
        suggestions=suggestions,
        negative_counter=negative_counter,
        count_tokens=count_tokens,
    )


def _build_actions(styles: list[str]) -> Actions:
    with gr.Column(scale=1, min_width=240, elem_id="txt2img_actions_column", elem_classes=["actions"]):
        with gr.Row(elem_id="txt2img_generate_box", elem_classes=["generate-box"]):
            interrupt = gr.Button("Interrupt", elem_id="txt2img_interrupt", elem_classes=["while-running"], min_width=0)
            skip = gr.Button("Skip", elem_id="txt2img_skip", elem_classes=["while-running"], min_width=0)
            generate = gr.Button("Generate", variant="primary", elem_id="txt2img_generate", min_width=0)
        with gr.Row(elem_id="txt2img_tools", elem_classes=["form-tools"]):
            paste = icon_button("Read generation parameters from the prompt or the last generation", "paste", "paste")
            clear = icon_button("Clear the prompts", "clear", "txt2img_clear_prompt")
            apply_styles = icon_button("Put the chosen styles into the prompts", "apply", "txt2img_style_apply")
            undo = icon_button("Undo a change of the form", "undo", "txt2img_undo")
            redo = icon_button("Redo it", "redo", "txt2img_redo")
        chosen = gr.Dropdown(choices=styles, label="Styles", multiselect=True, elem_id="txt2img_styles")
    return Actions(
        generate=generate,
        interrupt=interrupt,
        skip=skip,
        paste=paste,
        clear=clear,
        apply_styles=apply_styles,
        undo=undo,
        redo=redo,
        styles=chosen,
    )


def _build_parameters(offers: Capabilities, defaults: ModelDefaults, checkpoints: list[str]) -> Parameters:
    with gr.Column(elem_id="txt2img_settings", elem_classes=["settings"]):
        with gr.Row():
            sampler = gr.Dropdown(
                choices=[info.name for info in offers.samplers],
                value=DEFAULTS.sampler,
                label="Sampling method",
                elem_id="txt2img_sampling",
            )
            scheduler = gr.Dropdown(
                choices=[info.label for info in offers.schedulers],
                value=DEFAULTS.scheduler,
                label="Schedule type",
                elem_id="txt2img_scheduler",
            )
        steps = slider("Sampling steps", 1, 150, DEFAULTS.steps, "txt2img_steps")
        with gr.Row(elem_classes=["sides-and-batches"]):
            with gr.Column(elem_classes=["pair"]):
                width = slider("Width", 64, 2048, defaults.width, "txt2img_width", step=8)
                height = slider("Height", 64, 2048, defaults.height, "txt2img_height", step=8)
            swap_sides = icon_button("Swap width and height", "swap", "txt2img_res_switch_btn")
            with gr.Column(elem_classes=["pair"]):
                batch_count = slider("Batch count", 1, 100, DEFAULTS.batch_count, "txt2img_batch_count")
                batch_size = slider("Batch size", 1, 8, DEFAULTS.batch_size, "txt2img_batch_size")
        cfg_scale = slider("CFG Scale", 1, 30, DEFAULTS.cfg_scale, "txt2img_cfg_scale", step=0.5)
        seeds = build_seeds("txt2img")
        hires = build_hires(offers, checkpoints)
        refiner = build_refiner("txt2img", checkpoints)
        overrides = gr.Dropdown(
            [], label=OVERRIDES.label, multiselect=True, elem_id="txt2img_override_settings", elem_classes=["overrides"]
        )
    return Parameters(
        sampler=sampler,
        scheduler=scheduler,
        steps=steps,
        width=width,
        height=height,
        swap_sides=swap_sides,
        batch_count=batch_count,
        batch_size=batch_size,
        cfg_scale=cfg_scale,
        seeds=seeds,
        hires=hires,
        refiner=refiner,
        overrides=overrides,
    )


def _build_results() -> Results:
    with gr.Column(scale=1, elem_id="txt2img_results", elem_classes=["card", "results"]):
        with gr.Column(elem_id="txt2img_gallery_container", elem_classes=["picture-stage"]):
            gallery = gr.Gallery(
                label="Output",
                show_label=False,
                elem_id="txt2img_gallery",
                columns=4,
                height="100%",
                object_fit="contain",
                preview=True,
                format="png",
                interactive=False,
                buttons=["download", "fullscreen"],
            )
            html_block(progress_html("txt2img", preview=True), "txt2img_progress", "live-holder")
        infotext = html_block("", "html_info_txt2img", "infotext")
        log = html_block("", "html_log_txt2img", "log")
        generation_info = gr.Textbox(elem_id="generation_info_txt2img", elem_classes=["unseen"], show_label=False)
    return Results(gallery=gallery, generation_info=generation_info, infotext=infotext, log=log)
