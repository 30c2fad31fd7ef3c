"""The Settings tab. What it shows is fetched and drawn by the page's script (`settings.js`) when it is opened first."""

from modules.frontends.gradio_ui.components import html_block


def build_settings_tab() -> None:
    """Lay the tab out; called inside its `gr.Tab`."""
    html_block(_PAGE, "settings", "settings-holder")


_PAGE = (
    '<section id="settings_page" aria-label="Settings">'
    '<div class="settings-bar">'
    '<button type="button" id="settings_submit" class="plain primary">Apply settings</button>'
    '<span class="settings-status" role="status"></span>'
    '<input type="search" id="settings_search" placeholder="Search" aria-label="Search settings" spellcheck="false">'
    '<button type="button" id="settings_show_all_pages" class="plain" aria-pressed="false">Show all pages</button>'
    "</div>"
    '<div class="settings-columns">'
    '<nav class="settings-sections" aria-label="Sections"></nav>'
    '<div class="settings-list"></div>'
    "</div>"
    "</section>"
)
