"""The img2img tab: what is on it and where. What it does is in `generation_events.py`."""

import gradio as gr

from modules.frontends.gradio_ui.canvas import canvases_html
from modules.frontends.gradio_ui.components import html_block, switched_part
from modules.frontends.gradio_ui.form import (
    CONTENTS,
    IMG2IMG_FIELDS,
    MASKED,
    NOT_MASKED,
    ONLY_MASKED,
    RESIZE_BY,
    RESIZE_MODES,
    RESIZE_TO,
    WHOLE,
)
from modules.frontends.gradio_ui.generation_tab import (
    GenerationTab,
    Offers,
    Parts,
    build_batches,
    build_overrides,
    build_refiner,
    build_sampling,
    build_seeds,
    build_tab,
)


def build_img2img_tab(offers: Offers, memory: gr.BrowserState) -> GenerationTab:
    """Lay the tab out; called inside its `gr.Tab`."""
    parts = Parts("img2img", {field.name: field for field in IMG2IMG_FIELDS})
    return build_tab(parts, offers, memory, _build_parameters)


def _build_parameters(parts: Parts, offers: Offers) -> None:
    html_block(canvases_html("img2img"), "mode_img2img", "canvases-holder")
    with gr.Row(elem_classes=["unseen"]):
        for name in ("mode", "image", "mask"):
            parts.hidden(name, f"form_{name}")
    parts.radio("resize_mode", [*RESIZE_MODES], "resize_mode")
    _build_inpaint(parts)
    build_sampling(parts, offers)
    with gr.Column(elem_classes=["size-choice"]):
        parts.radio("size_mode", [RESIZE_TO, RESIZE_BY], "img2img_size_mode")
        with gr.Row(elem_classes=["sides-and-batches"]):
            with gr.Column(elem_classes=["pair", "resize-to"]):
                parts.slider("width", 64, 2048, "width", step=8, value=offers.defaults.width)
                parts.slider("height", 64, 2048, "height", step=8, value=offers.defaults.height)
            with gr.Column(elem_classes=["pair", "resize-by"]):
                parts.slider("scale", 0.05, 4, "scale", step=0.05)
            parts.tool("swap_sides", "Swap width and height", "swap", "img2img_res_switch_btn")
            build_batches(parts)
    with gr.Row():
        parts.slider("cfg_scale", 1, 30, "cfg_scale", step=0.5)
        parts.slider("denoising_strength", 0, 1, "denoising_strength", step=0.01)
    build_seeds(parts)
    build_refiner(parts, offers)
    build_overrides(parts)


def _build_inpaint(parts: Parts) -> None:
    with gr.Column(elem_id="inpaint_controls", elem_classes=["inpaint-controls"]):
        parts.slider("mask_blur", 0, 64, "mask_blur")
        parts.radio("mask_mode", [MASKED, NOT_MASKED], "img2img_mask_mode")
        parts.radio("masked_content", CONTENTS, "img2img_inpainting_fill")
        parts.radio("inpaint_area", [WHOLE, ONLY_MASKED], "img2img_inpaint_full_res")
        parts.slider("padding", 0, 256, "inpaint_full_res_padding", step=4)
        with switched_part(parts.known["soft"].label, "soft_inpainting_enabled-checkbox") as soft:
            parts.fields["soft"] = soft
            with gr.Row():
                parts.slider("soft_schedule_bias", 0, 8, "soft_schedule_bias", step=0.1)
                parts.slider("soft_preservation", 0, 8, "soft_preservation", step=0.05)
            with gr.Row():
                parts.slider("soft_contrast", 1, 32, "soft_contrast", step=0.5)
                parts.slider("soft_mask", 0, 1, "soft_mask", step=0.05)
            with gr.Row():
                parts.slider("soft_threshold", 0, 8, "soft_threshold", step=0.25)
                parts.slider("soft_difference", 0, 8, "soft_difference", step=0.25)
