"""One Chromium for all browser tests; for each test a fresh profile and an idle server."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.frontends.gradio_ui.browser_tools import launch_chromium, open_page
from tests.frontends.gradio_ui.page_server import PageServer, write_checkpoint


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium: the system's, else the one that Playwright installed."""
    with sync_playwright() as playwright:
        chromium = launch_chromium(playwright)
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
