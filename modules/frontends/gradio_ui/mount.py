"""Serving the page: its files, its theme, and where Gradio may read and write."""

import hashlib
import html
import os
import time
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from modules.core.flags import Flags
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.page import build_page
from modules.frontends.gradio_ui.theme import easel_theme

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ASSETS / "js"
STYLES = ASSETS / "css"
SECONDS_KEPT = 24 * 3600


def mount_page(app: FastAPI, backend: Backend) -> FastAPI:
    """Serve the page at `/` of `app`, below every route that `app` already has.

    Nothing is fetched from or reported to anywhere else, and no folder of the person's is readable through Gradio.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # Read by Gradio whenever it makes a component; its default is a folder that all programs of the machine share.
    os.environ["GRADIO_TEMP_DIR"] = str(backend.paths.temporary)
    _forget_old_copies(backend.paths.temporary)
    scripts = f"page-scripts/{_version(SCRIPTS)}"
    app.mount(f"/{scripts}", StaticFiles(directory=SCRIPTS))
    return gr.mount_gradio_app(  # pyright: ignore[reportUnknownMemberType]  # its `auth` is untyped
        app,
        build_page(backend),
        path="/",
        theme=easel_theme(),
        head=_head(backend.flags, scripts),
        favicon_path=str(ASSETS / "favicon.svg"),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=True,
    )


def _forget_old_copies(folder: Path) -> None:
    """Delete the page's copies of pictures that a server left behind when it ended without notice.

    Only those older than a day: another server may be using the same data folder.
    """
    for path in folder.rglob("*"):
        if path.is_file() and time.time() - path.stat().st_mtime > SECONDS_KEPT:
            path.unlink(missing_ok=True)


def _head(flags: Flags, scripts: str) -> str:
    """Return what the page's head holds beside Gradio's own: colours first, so that nothing is painted twice."""
    styles = "\n".join(path.read_text(encoding="utf-8") for path in sorted(STYLES.glob("*.css")))
    return (
        f'<meta name="easel-theme" content="{html.escape(flags.theme or "")}">'
        f"<style>{styles}</style>"
        f"<script>{(SCRIPTS / 'early.js').read_text(encoding='utf-8')}</script>"
        f'<script type="module" src="{scripts}/main.js"></script>'
    )


def _version(folder: Path) -> str:
    """Return a name that changes with the files' content, so that a browser never mixes old scripts with a new page."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
