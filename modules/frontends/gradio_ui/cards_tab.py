"""The tabs with cards of add-ons and checkpoints.

What they show is fetched and drawn by the page's script (`cards.js`), a screenful at a time: ten thousand cards take no
longer than ten.
"""

import html
from typing import Literal, NamedTuple

import gradio as gr

from modules.core.settings import Settings
from modules.frontends.gradio_ui.components import html_block

CardKind = Literal["embedding", "hypernetwork", "checkpoint", "lora"]


class CardTab(NamedTuple):
    """A tab of cards: what it shows, and A1111's words for it."""

    kind: CardKind
    label: str
    name: str


CARD_TABS = (
    CardTab("embedding", "Textual Inversion", "textual_inversion"),
    CardTab("hypernetwork", "Hypernetworks", "hypernetworks"),
    CardTab("checkpoint", "Checkpoints", "checkpoints"),
    CardTab("lora", "Lora", "lora"),
)

_ORDERS = {"Path": "path", "Name": "name", "Date Created": "created", "Date Modified": "modified"}


def build_card_tabs(tab: str, settings: Settings) -> None:
    """Lay out one tab for each kind of cards; called inside the `gr.Tabs` of the tab called `tab` (txt2img)."""
    for kind, label, name in CARD_TABS:
        with gr.Tab(label, id=f"{tab}_{name}", elem_id=f"{tab}_{name}_tab"):
            html_block(_pane(tab, kind, label, settings), f"{tab}_{name}_cards_html", "cards-holder")


def _pane(tab: str, kind: CardKind, label: str, settings: Settings) -> str:
    name = html.escape(label)
    options = "".join(
        f'<option value="{value}"{" selected" if order == settings.extra_networks_card_order_field else ""}>'
        f"{order}</option>"
        for order, value in _ORDERS.items()
    )
    descending = str(settings.extra_networks_card_order == "Descending").lower()
    return (
        f'<section class="cards" data-cards="{kind}" data-tab="{tab}" aria-label="{name}">'
        '<div class="cards-bar">'
        f'<input type="search" class="cards-search" placeholder="Search" aria-label="Search {name}" spellcheck="false">'
        '<select class="cards-folder" aria-label="Folder" hidden><option value="">All folders</option></select>'
        f'<select class="cards-sort" aria-label="Order">{options}</select>'
        f'<button type="button" class="tool icon-order cards-order" aria-pressed="{descending}">Descending</button>'
        '<button type="button" class="tool icon-refresh cards-refresh">Refresh</button>'
        '<span class="cards-count" role="status"></span>'
        "</div>"
        '<details class="notice cards-misplaced" hidden><summary></summary><ul></ul></details>'
        '<div class="cards-scroll" tabindex="-1"><ul class="cards-list"></ul></div>'
        "</section>"
    )


def card_parts_html() -> str:
    """Return what the script makes cards and their dialog from; once on a page."""
    return _TEMPLATE + _DIALOG


_TEMPLATE = (
    '<template id="card_template"><li class="model-card">'
    '<button type="button" class="model-card-main" aria-pressed="false">'
    '<img alt="" decoding="async" hidden><span class="model-card-words">'
    '<span class="model-card-label"></span><span class="model-card-family"></span></span></button>'
    '<button type="button" class="tool icon-edit model-card-edit">Details and notes</button>'
    '<span class="model-card-warning" hidden></span>'
    "</li></template>"
)


def _field(name: str, label: str, control: str, *, kinds: str = "") -> str:
    """Return a labelled control of the dialog; with `kinds` it is shown for models of these kinds alone."""
    only = f' data-kinds="{kinds}"' if kinds else ""
    return f'<label class="card-field"{only}><span>{label}</span>{control.format(name=name)}</label>'


_LINE = '<input type="text" name="{name}">'
_LINES = '<textarea name="{name}" rows="3"></textarea>'
_VERSIONS = "".join(f"<option>{version}</option>" for version in ("", "SD1", "SD2", "SDXL", "Unknown"))

_DIALOG = (
    '<dialog id="card_dialog" class="easel-dialog" aria-labelledby="card_dialog_title"><form method="dialog">'
    '<header><h2 id="card_dialog_title"></h2>'
    '<button type="button" class="tool icon-close" data-act="close">Close</button></header>'
    '<p class="card-warning" hidden></p>'
    '<div class="card-columns"><div class="card-fields">'
    + _field("description", "Description", _LINES)
    + _field("sd_version", "Stable Diffusion version", f'<select name="{{name}}">{_VERSIONS}</select>')
    + _field("activation_text", "Activation text", _LINES, kinds="lora embedding hypernetwork")
    + _field(
        "preferred_weight",
        "Preferred weight (0 for the one in the settings)",
        '<input type="number" name="{name}" step="0.01" min="-100" max="100">',
        kinds="lora hypernetwork",
    )
    + _field("negative_text", "Negative prompt", _LINES, kinds="lora embedding hypernetwork")
    + _field("vae", "Preferred VAE", '<input type="text" name="{name}" list="card_vaes">', kinds="checkpoint")
    + _field("notes", "Notes", _LINES)
    + '<datalist id="card_vaes"></datalist>'
    "</div><div>"
    '<img class="card-preview" alt="Preview" hidden>'
    '<button type="button" class="plain" data-act="preview">Replace preview with the chosen picture</button>'
    '<div class="card-words" hidden><h3>Trigger words</h3><p></p></div>'
    '<div class="card-tags" hidden><h3>Training tags</h3><p></p></div>'
    '<dl class="card-facts"></dl>'
    "</div></div>"
    '<footer><span class="card-error" role="alert"></span>'
    '<button type="button" class="plain" data-act="close">Cancel</button>'
    '<button type="submit" class="plain primary" data-act="save">Save</button></footer>'
    "</form></dialog>"
)
