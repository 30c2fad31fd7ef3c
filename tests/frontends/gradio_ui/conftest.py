"""One Chromium for all browser tests; for each test a fresh profile and an idle server."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.frontends.gradio_ui.page_server import PageServer, write_checkpoint

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium: the system's, else the one that Playwright installed."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def busy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server with two good checkpoints, one bad one, and styles."""
    data = tmp_path_factory.mktemp("easel")
    for name in ("alpha.safetensors", "bad.safetensors", "gamma.safetensors"):
        write_checkpoint(data, name)
    (data / "styles.csv").write_text('name,prompt,negative_prompt\nPhoto,"photo, 35mm",drawing\n')
    server = PageServer(data)
    yield server
    server.stop()


@pytest.fixture
def server(busy_server: PageServer) -> PageServer:
    """The server, with an empty queue and its settings as they were at first."""
    busy_server.finish_jobs()
    busy_server.backend.settings.update({"sd_model_checkpoint": None}, trusted=True)
    return busy_server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile."""
    fresh = browser.new_context(viewport={"width": 1440, "height": 900})
    fresh.set_default_timeout(20_000)
    yield fresh
    fresh.close()


@pytest.fixture
def complaints() -> list[str]:
    """What `watched` pages said in their consoles, or asked of other machines."""
    return []


@pytest.fixture
def page(context: BrowserContext, server: PageServer, complaints: list[str]) -> Page:
    """The page, opened and ready."""
    return open_page(context, server.url, complaints)


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
    tab.wait_for_selector("#txt2img_generate")
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


