"""The whole page, put together from its parts."""

from typing import Any

import gradio as gr

from modules.core.version import NAME
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.cards_tab import card_parts_html
from modules.frontends.gradio_ui.checkpoint_bar import CheckpointEvents
from modules.frontends.gradio_ui.components import footer_html, html_block
from modules.frontends.gradio_ui.events import on_light
from modules.frontends.gradio_ui.generation_events import TXT2IMG, GenerationEvents
from modules.frontends.gradio_ui.generation_tab import Offers
from modules.frontends.gradio_ui.model_defaults import Followers
from modules.frontends.gradio_ui.txt2img_tab import build_txt2img_tab

CACHE_CHECK_SECONDS = 3600
CACHE_AGE_SECONDS = 86_400


def build_page(backend: Backend) -> gr.Blocks:
    """Return the page, not yet served."""
    checkpoints = CheckpointEvents(backend)
    txt2img = GenerationEvents(backend, TXT2IMG)
    offers = Offers(
        worker=backend.jobs.describe(),
        styles=txt2img.style_names(),
        checkpoints=checkpoints.titles(),
        defaults=checkpoints.defaults(),
        settings=backend.settings.snapshot(),
    )

    def up_to_date(*known: Any) -> list[Any]:
        shown = checkpoints.shown()
        return [*shown, *txt2img.remembered(shown.defaults, *known)]

    with gr.Blocks(
        title=NAME, analytics_enabled=False, fill_width=True, delete_cache=(CACHE_CHECK_SECONDS, CACHE_AGE_SECONDS)
    ) as page:
        bar = checkpoints.build()
        with gr.Tabs(elem_id="tabs"), gr.Tab("txt2img", id="txt2img", elem_id="tab_txt2img"):
            tab = build_txt2img_tab(offers)
        html_block(footer_html(), "footer")
        html_block(card_parts_html(), "card_parts", "unseen-parts")
        txt2img.connect(tab)
        for changed in checkpoints.connect(bar):
            txt2img.follow_checkpoint(tab, changed.then, bar.defaults)
        # The page is built once; what may have changed since is brought up to date whenever it is opened.
        known = [tab.memory, tab.followed, *tab.fields(*Followers._fields)]
        opened = on_light(page.load, up_to_date, known, [*bar.shown(), *tab.restored()])
        txt2img.count_after(tab, opened.then)
    return page
