"""Starting a Chromium and opening the page in it."""

import os
import shutil

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def launch_chromium(playwright: Playwright) -> Browser:
    """Start the Chromium that `webui.sh test` found, else the system's, else the one that Playwright installed."""
    path = os.environ.get("EASEL_CHROMIUM") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)


def open_page(context: BrowserContext, url: str, complaints: list[str] | None = None) -> Page:
    """Open the page at `url` in a new tab and wait until it can be used."""
    tab = context.new_page()
    if complaints is not None:
        _watch(tab, url, complaints)
    tab.goto(url)
    wait_until_ready(tab)
    return tab


def wait_until_ready(tab: Page) -> None:
    """Wait until the page's scripts are at work."""
    tab.wait_for_function("document.documentElement.dataset.easel === 'ready'")


def _watch(tab: Page, url: str, complaints: list[str]) -> None:
    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    def on_request(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            complaints.append(f"asked {request.url}")

    tab.on("console", on_console)
    tab.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
    tab.on("request", on_request)
