"""Small pieces that several parts of the page are made of."""

import html
from collections.abc import Generator
from contextlib import contextmanager

import gradio as gr

from modules.core.version import NAME, VERSION


def icon_button(name: str, icon: str, elem_id: str) -> gr.Button:
    """Return a square button that shows `icon` (a class of the icons' style sheet) and is read aloud as `name`."""
    return gr.Button(name, elem_id=elem_id, elem_classes=["tool", f"icon-{icon}"], size="sm", scale=0, min_width=0)


def slider(label: str, minimum: float, maximum: float, value: float, elem_id: str, step: float = 1) -> gr.Slider:
    """Return a slider with a number beside it, which may also be typed."""
    return gr.Slider(minimum, maximum, value, step=step, label=label, elem_id=elem_id, buttons=[], min_width=120)


@contextmanager
def switched_part(label: str, elem_id: str) -> Generator[gr.Checkbox]:
    """Yield a switch for a part of a form: what is laid out in this context is seen while it is on.

    The style sheet does that, so nothing waits for the server, and all of the part is always there.
    """
    with gr.Column(elem_classes=["switched"]):
        switch = gr.Checkbox(label=label, value=False, elem_id=elem_id, elem_classes=["switch"], container=False)
        with gr.Column(elem_classes=["fold"]):
            yield switch


def html_block(value: str, elem_id: str, *elem_classes: str) -> gr.HTML:
    """Return HTML that only our own style sheets dress."""
    return gr.HTML(value, elem_id=elem_id, elem_classes=list(elem_classes), apply_default_css=False)


def token_counter(elem_id: str) -> gr.HTML:
    """Return the place where a prompt's number of tokens is shown."""
    return html_block(token_count_html(0, 75), elem_id, "token-counter")


def token_count_html(count: int, limit: int) -> str:
    """Return the text of a token counter: tokens used and where the next 75-token chunk would begin."""
    return f'<span title="Tokens used, and room in the chunks they take">{count}/{limit}</span>'


def progress_html(name: str, *, preview: bool = False) -> str:
    """Return the hidden progress bar of part `name`, with a live preview if wanted; the page's script moves it."""
    picture = '<img class="live-preview" alt="Unfinished picture" hidden>' if preview else ""
    return (
        f'<div class="live" data-live="{name}" hidden>{picture}'
        f'<div class="progress" role="progressbar" aria-label="{name} progress" aria-valuemin="0" aria-valuemax="100">'
        '<div class="progress-fill"></div></div>'
        '<div class="progress-text" role="status"></div>'
        "</div>"
    )


def no_model_html(folder: str) -> str:
    """Return the notice for an installation without any checkpoint."""
    return (
        '<div class="notice" role="status"><strong>No checkpoint yet.</strong> '
        "Put a Stable Diffusion 1.x model (<code>.safetensors</code>, <code>.ckpt</code> or a diffusers folder) into "
        f"<code>{html.escape(folder)}</code> and press the refresh button beside “Stable Diffusion checkpoint”.</div>"
    )


def demo_html(folder: str) -> str:
    """Return the line that says that the chosen checkpoint is the demo model, and where real ones go."""
    return (
        '<p class="demo-line" role="status"><strong>Demo model</strong>, comes with Easel: simple shapes and '
        f"landscapes. Put real checkpoints into <code>{html.escape(folder)}</code> and press refresh.</p>"
    )


def footer_html() -> str:
    """Return the line at the foot of the page."""
    return (
        f"<span>{NAME} {VERSION}</span>"
        '<a href="docs" target="_blank" rel="noopener">API</a>'
        '<button type="button" data-action="toggle-theme">Light / dark</button>'
    )


def image_buttons_html(tab: str) -> str:
    """Return the buttons below the pictures of the tab called `tab`."""
    targets = (("img2img", "img2img"), ("inpaint", "inpaint"))
    buttons = "".join(
        f'<button type="button" id="{tab}_send_to_{mode}" data-send="{mode}">Send to {label}</button>'
        for mode, label in targets
    )
    return f'<div class="image-buttons">{buttons}</div>'
