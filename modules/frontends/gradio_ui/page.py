"""The whole page, put together from its parts."""

from typing import Any

import gradio as gr

from modules.core.version import NAME
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.cards_tab import card_parts_html
from modules.frontends.gradio_ui.checkpoint_bar import CheckpointEvents
from modules.frontends.gradio_ui.components import footer_html, html_block
from modules.frontends.gradio_ui.events import on_light
from modules.frontends.gradio_ui.generation_events import TXT2IMG, GenerationEvents, img2img_kind
from modules.frontends.gradio_ui.generation_tab import Offers, build_memory
from modules.frontends.gradio_ui.img2img_tab import build_img2img_tab
from modules.frontends.gradio_ui.model_defaults import Followers
from modules.frontends.gradio_ui.png_info_tab import build_png_info_tab
from modules.frontends.gradio_ui.queue_panel import queue_panel_html
from modules.frontends.gradio_ui.settings_tab import build_settings_tab
from modules.frontends.gradio_ui.styles_dialog import styles_dialog_html
from modules.frontends.gradio_ui.txt2img_tab import build_txt2img_tab

CACHE_CHECK_SECONDS = 3600
CACHE_AGE_SECONDS = 86_400


def build_page(backend: Backend) -> gr.Blocks:
    """Return the page, not yet served."""
    checkpoints = CheckpointEvents(backend)
    txt2img, img2img = GenerationEvents(backend, TXT2IMG), GenerationEvents(backend, img2img_kind(backend))
    offers = Offers(
        worker=backend.jobs.describe(),
        styles=txt2img.style_names(),
        checkpoints=checkpoints.titles(),
        defaults=checkpoints.defaults(),
        settings=backend.settings.snapshot(),
    )

    def up_to_date(*known: Any) -> list[Any]:
        shown, half = checkpoints.shown(), len(known) // 2
        return [
            *shown,
            *txt2img.remembered(shown.defaults, *known[:half]),
            *img2img.remembered(shown.defaults, *known[half:]),
        ]

    with gr.Blocks(
        title=NAME, analytics_enabled=False, fill_width=True, delete_cache=(CACHE_CHECK_SECONDS, CACHE_AGE_SECONDS)
    ) as page:
        bar = checkpoints.build()
        first_memory, second_memory = build_memory("txt2img"), build_memory("img2img")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("txt2img", id="txt2img", elem_id="tab_txt2img"):
                first = build_txt2img_tab(offers, first_memory)
            with gr.Tab("img2img", id="img2img", elem_id="tab_img2img"):
                second = build_img2img_tab(offers, second_memory)
            with gr.Tab("PNG Info", id="pnginfo", elem_id="tab_pnginfo"):
                build_png_info_tab()
            with gr.Tab("Settings", id="settings", elem_id="tab_settings"):
                build_settings_tab()
        html_block(footer_html(), "footer")
        html_block(card_parts_html() + styles_dialog_html(), "card_parts", "unseen-parts")
        html_block(queue_panel_html(), "queue_holder")
        tabs = ((txt2img, first), (img2img, second))
        for events, tab in tabs:
            events.connect(tab)
        rescanned, *chosen = checkpoints.connect(bar)
        for events, tab in tabs:
            events.offer_checkpoints(tab, rescanned.then)
            for changed in (rescanned, *chosen):
                events.follow_checkpoint(tab, changed.then, bar.defaults)
        # The page is built once; what may have changed since is brought up to date whenever it is opened.
        known = [part for _, tab in tabs for part in (tab.memory, tab.followed, *tab.fields(*Followers._fields))]
        restored = [part for _, tab in tabs for part in tab.restored()]
        opened = on_light(page.load, up_to_date, known, [*bar.shown(), *restored])
        for events, tab in tabs:
            events.count_after(tab, opened.then)
    return page
