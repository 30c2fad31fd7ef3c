"""Parts of forms that are seen when they are wanted: more about the seed, Hires. fix, the refiner."""

from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from modules.core.capabilities import Capabilities
from modules.core.upscalers import LATENT_MODES, PICTURE_UPSCALERS
from modules.frontends.gradio_ui.components import html_block, icon_button, slider, switched_part
from modules.frontends.gradio_ui.form import HIRES, REFINER, SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER, SEEDS, Field


@dataclass(frozen=True, kw_only=True)
class SeedParts:
    """The seed, and what is seen of it with "Extra"."""

    seed: gr.Textbox
    random_seed: gr.Button
    reuse_seed: gr.Button
    extra: gr.Checkbox
    subseed: gr.Textbox
    random_subseed: gr.Button
    reuse_subseed: gr.Button
    strength: gr.Slider
    width: gr.Slider
    height: gr.Slider

    def form(self) -> list[Component]:
        """Return the fields in the order of `form.SEEDS`."""
        return [self.seed, self.extra, self.subseed, self.strength, self.width, self.height]


@dataclass(frozen=True, kw_only=True)
class HiresParts:
    """Hires. fix; `size` says what comes out of it."""

    enable: gr.Checkbox
    size: gr.HTML
    upscaler: gr.Dropdown
    steps: gr.Slider
    denoising: gr.Slider
    scale: gr.Slider
    width: gr.Slider
    height: gr.Slider
    checkpoint: gr.Dropdown
    sampler: gr.Dropdown
    scheduler: gr.Dropdown
    prompt: gr.Textbox
    negative_prompt: gr.Textbox

    def form(self) -> list[Component]:
        """Return the fields in the order of `form.HIRES`."""
        return [
            self.enable,
            self.upscaler,
            self.steps,
            self.denoising,
            self.scale,
            self.width,
            self.height,
            self.checkpoint,
            self.sampler,
            self.scheduler,
            self.prompt,
            self.negative_prompt,
        ]


@dataclass(frozen=True, kw_only=True)
class RefinerParts:
    """The refiner."""

    enable: gr.Checkbox
    checkpoint: gr.Dropdown
    switch_at: gr.Slider

    def form(self) -> list[Component]:
        """Return the fields in the order of `form.REFINER`."""
        return [self.enable, self.checkpoint, self.switch_at]


def build_seeds(tab: str) -> SeedParts:
    """Lay out the seed of the tab called `tab`."""
    seed_field, _, subseed_field, strength_field, width_field, height_field = SEEDS
    with gr.Column(elem_classes=["switched", "seeds"]):
        with gr.Row(elem_id=f"{tab}_seed_row", elem_classes=["seed-row"]):
            # A text box, because a browser's number box cannot hold a 64-bit seed exactly.
            seed = _line(seed_field, f"{tab}_seed")
            random_seed = icon_button("Random seed", "dice", f"{tab}_random_seed")
            reuse_seed = icon_button("Seed of the chosen picture", "recycle", f"{tab}_reuse_seed")
            extra = gr.Checkbox(
                label="Extra", elem_id=f"{tab}_subseed_show", elem_classes=["switch"], container=False, min_width=0
            )
        with gr.Column(elem_classes=["fold"]):
            with gr.Row(elem_id=f"{tab}_subseed_row", elem_classes=["seed-row"]):
                subseed = _line(subseed_field, f"{tab}_subseed")
                random_subseed = icon_button("Random variation seed", "dice", f"{tab}_random_subseed")
                reuse_subseed = icon_button("Variation seed of the chosen picture", "recycle", f"{tab}_reuse_subseed")
            strength = slider(strength_field.label, 0, 1, 0, f"{tab}_subseed_strength", step=0.01)
            with gr.Row():
                width = slider(width_field.label, 0, 2048, 0, f"{tab}_seed_resize_from_w", step=8)
                height = slider(height_field.label, 0, 2048, 0, f"{tab}_seed_resize_from_h", step=8)
    return SeedParts(
        seed=seed,
        random_seed=random_seed,
        reuse_seed=reuse_seed,
        extra=extra,
        subseed=subseed,
        random_subseed=random_subseed,
        reuse_subseed=reuse_subseed,
        strength=strength,
        width=width,
        height=height,
    )


def build_hires(offers: Capabilities, checkpoints: list[str]) -> HiresParts:
    """Lay out Hires. fix.

    Args:
        offers: fills the drop-downs of samplers and schedule types.
        checkpoints: titles of those that there are.
    """
    fields = {field.name: field for field in HIRES}
    names = [info.name for info in offers.samplers]
    labels = [info.label for info in offers.schedulers]

    def ranged(name: str, minimum: float, maximum: float, elem_id: str, step: float = 1) -> gr.Slider:
        return slider(fields[name].label, minimum, maximum, fields[name].default, elem_id, step=step)

    def choice(name: str, choices: list[str], elem_id: str) -> gr.Dropdown:
        return gr.Dropdown(choices, value=fields[name].default, label=fields[name].label, elem_id=elem_id)

    def lines(name: str, hint: str, elem_id: str) -> gr.Textbox:
        return gr.Textbox(label=fields[name].label, placeholder=hint, lines=2, max_lines=12, elem_id=elem_id)

    with switched_part(fields["enable_hr"].label, "txt2img_hr-checkbox") as enable:
        size = html_block("", "txtimg_hr_finalres", "final-size")
        with gr.Row():
            upscaler = choice("hr_upscaler", [*LATENT_MODES, *PICTURE_UPSCALERS], "txt2img_hr_upscaler")
            steps = ranged("hr_steps", 0, 150, "txt2img_hires_steps")
        with gr.Row():
            denoising = ranged("hr_denoising", 0, 1, "txt2img_denoising_strength", 0.01)
            scale = ranged("hr_scale", 1, 4, "txt2img_hr_scale", 0.05)
        with gr.Row():
            width = ranged("hr_width", 0, 2048, "txt2img_hr_resize_x", 8)
            height = ranged("hr_height", 0, 2048, "txt2img_hr_resize_y", 8)
        checkpoint = choice("hr_checkpoint", [SAME_CHECKPOINT, *checkpoints], "hr_checkpoint")
        with gr.Row():
            sampler = choice("hr_sampler", [SAME_SAMPLER, *names], "hr_sampler")
            scheduler = choice("hr_scheduler", [SAME_SCHEDULER, *labels], "hr_scheduler")
        prompt = lines("hr_prompt", "Empty for the prompt of the first pass", "hires_prompt")
        negative_prompt = lines("hr_negative_prompt", "Empty for that of the first pass", "hires_neg_prompt")
    return HiresParts(
        enable=enable,
        size=size,
        upscaler=upscaler,
        steps=steps,
        denoising=denoising,
        scale=scale,
        width=width,
        height=height,
        checkpoint=checkpoint,
        sampler=sampler,
        scheduler=scheduler,
        prompt=prompt,
        negative_prompt=negative_prompt,
    )


def build_refiner(tab: str, checkpoints: list[str]) -> RefinerParts:
    """Lay out the refiner of the tab called `tab`; `checkpoints` are titles of those that there are."""
    enable_field, checkpoint_field, switch_field = REFINER
    with switched_part(enable_field.label, f"{tab}_enable-checkbox") as enable, gr.Row():
        checkpoint = gr.Dropdown(checkpoints, value=None, label=checkpoint_field.label, elem_id=f"{tab}_checkpoint")
        switch_at = slider(switch_field.label, 0.01, 1, switch_field.default, f"{tab}_switch_at", step=0.01)
    return RefinerParts(enable=enable, checkpoint=checkpoint, switch_at=switch_at)


def _line(field: Field, elem_id: str) -> gr.Textbox:
    return gr.Textbox(label=field.label, value=field.default, max_lines=1, elem_id=elem_id, min_width=80)
