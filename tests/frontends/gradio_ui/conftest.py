"""For each test an idle server."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser_tools import open_page
from tests.frontends.gradio_ui.page_server import PageServer, write_checkpoint


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
def complaints() -> list[str]:
    """What `watched` pages said in their consoles, or asked of other machines."""
    return []


@pytest.fixture
def page(context: BrowserContext, server: PageServer, complaints: list[str]) -> Page:
    """The page, opened and ready."""
    return open_page(context, server.url, complaints)
