"""The side panel with the queue and the history.

What it shows is fetched and drawn by the page's scripts (`queue_panel.js`, `history.js`), and only while it is open.
"""


def queue_panel_html() -> str:
    """Return the panel's button, the panel, and the dialogs that it opens; once on a page."""
    return _BUTTON + _PANEL + _TEMPLATES + _RUN + _COMPARISON


_BUTTON = (
    '<button type="button" id="queue_button" aria-expanded="false" aria-controls="queue_panel">'
    'Queue <span class="queue-count"></span></button>'
)

_QUEUE = (
    '<div id="queue_part" role="tabpanel" aria-labelledby="queue_tab">'
    '<p class="queue-said" role="status"></p>'
    '<ul class="queue-list" data-list="running" aria-label="Running"></ul>'
    '<h3 data-of="waiting" hidden>Waiting</h3><ol class="queue-list" data-list="waiting" aria-label="Waiting"></ol>'
    '<h3 data-of="ended" hidden>Ended</h3><ul class="queue-list" data-list="ended" aria-label="Ended"></ul>'
    "</div>"
)

_HISTORY = (
    '<div id="history_part" role="tabpanel" aria-labelledby="history_tab" hidden>'
    '<div class="history-bar">'
    '<input type="search" class="history-search" placeholder="Prompt, model, seed, date (2026-01-31)" '
    'aria-label="Search the history" spellcheck="false">'
    '<button type="button" class="tool icon-star history-favourites" aria-pressed="false">Favourites only</button>'
    "</div>"
    '<p class="history-said" role="status"></p>'
    '<p class="history-choosing" role="status" hidden>Choose the picture to compare with. '
    '<button type="button" data-act="stop-choosing">Cancel</button></p>'
    '<div class="history-scroll" tabindex="-1"><ul class="history-list"></ul><div class="history-end"></div></div>'
    "</div>"
)

_PANEL = (
    '<aside id="queue_panel" aria-label="Queue and history" tabindex="-1" hidden>'
    '<header><div role="tablist" aria-label="Queue and history">'
    '<button type="button" role="tab" id="queue_tab" aria-controls="queue_part" aria-selected="true">Queue</button>'
    '<button type="button" role="tab" id="history_tab" aria-controls="history_part" aria-selected="false" '
    'tabindex="-1">History</button></div>'
    '<button type="button" class="tool icon-close" data-act="close">Close</button></header>'
    f"{_QUEUE}{_HISTORY}</aside>"
)

_TEMPLATES = (
    '<template id="queue_entry_template"><li class="queue-entry"><div class="queue-words">'
    '<span class="queue-title"></span><span class="queue-facts"></span>'
    '<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" hidden>'
    '<div class="progress-fill"></div></div></div>'
    '<div class="queue-acts">'
    '<button type="button" class="tool icon-up" data-act="up">Move up</button>'
    '<button type="button" class="tool icon-down" data-act="down">Move down</button>'
    '<button type="button" class="tool icon-refresh" data-act="retry">Make once more</button>'
    '<button type="button" class="tool icon-close" data-act="cancel">Cancel</button>'
    "</div></li></template>"
    '<template id="run_template"><li class="run"><button type="button" class="run-main">'
    '<img alt="" loading="lazy" decoding="async" hidden><span class="run-words"></span></button>'
    '<span class="run-count" hidden></span><span class="run-star" role="img" aria-label="Favourite" hidden></span>'
    "</li></template>"
)

_RUN = (
    '<dialog id="run_dialog" class="history-dialog" aria-labelledby="run_dialog_title">'
    '<header><h2 id="run_dialog_title"></h2>'
    '<button type="button" class="tool icon-star" data-act="favourite" aria-pressed="false">Favourite</button>'
    '<button type="button" class="tool icon-clear" data-act="forget">Remove from the history</button>'
    '<button type="button" class="tool icon-close" data-act="close">Close</button></header>'
    '<div class="run-stage"><button type="button" class="tool icon-previous" data-act="previous">Previous</button>'
    '<img class="run-picture" alt="" hidden><p class="run-missing" hidden></p>'
    '<button type="button" class="tool icon-next" data-act="next">Next</button></div>'
    '<p class="run-infotext"></p>'
    '<footer><span class="run-said" role="status"></span>'
    '<button type="button" class="plain" data-act="compare">Compare</button>'
    '<button type="button" class="plain primary" data-act="restore">Restore this form</button></footer>'
    "</dialog>"
)

_COMPARISON = (
    '<dialog id="compare_dialog" class="history-dialog" aria-label="Comparison of two pictures">'
    "<header><h2>Comparison</h2>"
    '<button type="button" class="tool icon-close" data-act="close">Close</button></header>'
    '<div class="compare-stage"><img class="compare-right" alt=""><img class="compare-left" alt="">'
    '<span class="compare-line"></span>'
    '<input type="range" min="0" max="100" step="0.5" value="50" aria-label="How much of the left picture is seen">'
    "</div>"
    '<footer><span class="compare-name"></span><span class="compare-name"></span></footer>'
    "</dialog>"
)
