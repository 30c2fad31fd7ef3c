"""The PNG Info tab: what a picture says of how it was made. The page's script (`png_info.js`) fills it."""

from modules.frontends.gradio_ui.components import html_block


def build_png_info_tab() -> None:
    """Lay the tab out; called inside its `gr.Tab`."""
    html_block(_PAGE, "pnginfo", "pnginfo-holder")


_TARGETS = (
    ("txt2img_tab", "txt2img", "Send to txt2img"),
    ("img2img_tab", "img2img", "Send to img2img"),
    ("inpaint_tab", "inpaint", "Send to inpaint"),
)

_PAGE = (
    '<section id="pnginfo_page" aria-label="PNG Info">'
    '<div class="pnginfo-picture card">'
    '<label id="pnginfo_image" class="pnginfo-drop">'
    '<input type="file" accept="image/*" aria-label="Picture">'
    '<img alt="" hidden>'
    '<span class="pnginfo-hint">Drop a picture here, paste one, or click to choose a file</span>'
    "</label>"
    '<p class="pnginfo-file" role="status"></p>'
    '<div class="pnginfo-send" hidden>'
    + "".join(
        f'<button type="button" class="plain" id="{elem_id}" data-target="{target}">{label}</button>'
        for elem_id, target, label in _TARGETS
    )
    + "</div></div>"
    '<div class="pnginfo-said card" hidden>'
    '<p class="pnginfo-program" hidden></p>'
    '<div class="pnginfo-infotext"><div class="pnginfo-head"><h2>Infotext</h2>'
    '<button type="button" class="plain" data-act="copy">Copy</button></div>'
    '<p class="infotext-text"></p></div>'
    '<div class="pnginfo-fields"><h2>Fields</h2><table><tbody></tbody></table></div>'
    '<div class="pnginfo-mapped"><h2>What became of it</h2><div class="pnginfo-wide"><table>'
    "<thead><tr><th>There</th><th>Value</th><th>Here</th><th>How</th></tr></thead><tbody></tbody></table></div></div>"
    '<div class="pnginfo-items"><h2>Texts of the file</h2></div>'
    "</div></section>"
)
