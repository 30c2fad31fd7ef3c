"""The txt2img tab: what is on it and where. What it does is in `generation_events.py`."""

import gradio as gr

from modules.frontends.gradio_ui.form import TXT2IMG_FIELDS
from modules.frontends.gradio_ui.generation_tab import (
    GenerationTab,
    Offers,
    Parts,
    build_batches,
    build_hires,
    build_overrides,
    build_refiner,
    build_sampling,
    build_seeds,
    build_tab,
)


def build_txt2img_tab(offers: Offers, memory: gr.BrowserState) -> GenerationTab:
    """Lay the tab out; called inside its `gr.Tab`."""
    parts = Parts("txt2img", {field.name: field for field in TXT2IMG_FIELDS})
    return build_tab(parts, offers, memory, _build_parameters)


def _build_parameters(parts: Parts, offers: Offers) -> None:
    build_sampling(parts, offers)
    with gr.Row(elem_classes=["sides-and-batches"]):
        with gr.Column(elem_classes=["pair"]):
            parts.slider("width", 64, 2048, "width", step=8, value=offers.defaults.width)
            parts.slider("height", 64, 2048, "height", step=8, value=offers.defaults.height)
        parts.tool("swap_sides", "Swap width and height", "swap", "txt2img_res_switch_btn")
        build_batches(parts)
    parts.slider("cfg_scale", 1, 30, "cfg_scale", step=0.5)
    build_seeds(parts)
    build_hires(parts, offers)
    build_refiner(parts, offers)
    build_overrides(parts)
