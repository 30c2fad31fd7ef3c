"""Frames in which pictures are chosen and painted on. What they do is in the page's script (`canvas.js`)."""

import html
from dataclasses import dataclass
from typing import Literal

Draws = Literal["nothing", "mask", "colour"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A frame.

    Attributes:
        mode: of the tab, to which it belongs.
        label: A1111's word for the mode.
        draws: what a brush leaves on the picture.
        second: whether a mask is chosen as a file beside the picture.
    """

    mode: str
    label: str
    draws: Draws = "nothing"
    second: bool = False


CANVASES = (
    Canvas(mode="img2img", label="img2img"),
    Canvas(mode="sketch", label="Sketch", draws="colour"),
    Canvas(mode="inpaint", label="Inpaint", draws="mask"),
    Canvas(mode="inpaint_sketch", label="Inpaint sketch", draws="colour"),
    Canvas(mode="inpaint_upload", label="Inpaint upload", second=True),
)


def canvases_html(tab: str) -> str:
    """Return the frames of the tab called `tab`, of which one is seen, and the buttons that choose it."""
    buttons = "".join(
        f'<button type="button" role="tab" id="{tab}_{canvas.mode}_mode" data-mode="{canvas.mode}" '
        f'aria-selected="{str(number == 0).lower()}" aria-controls="{tab}_{canvas.mode}_panel" '
        f'tabindex="{0 if number == 0 else -1}">{canvas.label}</button>'
        for number, canvas in enumerate(CANVASES)
    )
    panels = "".join(_panel(tab, canvas, hidden=number > 0) for number, canvas in enumerate(CANVASES))
    return (
        f'<section class="canvases" data-canvases="{tab}">'
        f'<div class="mode-tabs" role="tablist" aria-label="Mode">{buttons}</div>{panels}</section>'
    )


def _panel(tab: str, canvas: Canvas, *, hidden: bool) -> str:
    frames = _frame(canvas, "image", "Image", f"{tab}_{canvas.mode}_image")
    if canvas.second:
        frames += _frame(Canvas(mode=canvas.mode, label=canvas.label), "mask", "Mask", f"{tab}_{canvas.mode}_mask")
    return (
        f'<div role="tabpanel" id="{tab}_{canvas.mode}_panel" aria-labelledby="{tab}_{canvas.mode}_mode" '
        f'data-panel="{canvas.mode}"{" hidden" if hidden else ""}>{frames}</div>'
    )


def _frame(canvas: Canvas, part: str, label: str, elem_id: str) -> str:
    painting = (
        '<label class="brush">Brush <input type="range" name="brush" min="1" max="200" value="24"></label>'
        + ('<input type="color" name="colour" value="#c03a2b" aria-label="Colour">' if canvas.draws == "colour" else "")
        + '<button type="button" class="tool icon-erase" data-act="erase" aria-pressed="false">Erase</button>'
        '<button type="button" class="tool icon-undo" data-act="undo">Undo the last stroke</button>'
        '<button type="button" class="tool icon-clear" data-act="clear">Remove all strokes</button>'
    )
    return (
        f'<div class="canvas" id="{elem_id}" data-canvas="{canvas.mode}" data-part="{part}" '
        f'data-draws="{canvas.draws}">'
        '<label class="canvas-empty">'
        f"<span>{html.escape(label)}: drop a picture here, paste it, or choose a file</span>"
        f'<input type="file" accept="image/*" aria-label="{html.escape(label)}"></label>'
        '<div class="canvas-view" hidden tabindex="0" aria-label="Picture; Ctrl and the wheel change the brush, '
        'Alt and the wheel the zoom"><div class="canvas-stack"><canvas class="ground"></canvas>'
        '<canvas class="strokes"></canvas></div></div>'
        f'<div class="canvas-bar" hidden>{painting if canvas.draws != "nothing" else ""}'
        '<span class="canvas-size"></span>'
        '<button type="button" class="tool icon-fit" data-act="fit">Whole picture</button>'
        '<button type="button" class="tool icon-close" data-act="remove">Remove the picture</button></div></div>'
    )
