"""Take pictures of the page in all its states: `python -m benchmarks.screenshots FOLDER`.

No model is needed: the worker paints. Every state is taken at 1440 and 390 px, light and dark.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser_tools import launch_chromium, open_page
from tests.frontends.gradio_ui.page_server import PageServer, write_checkpoint

WIDTHS = {1440: 900, 390: 844}
STYLES = 'name,prompt,negative_prompt\nWatercolour,"watercolour of {prompt}",photo\nSoft light,"soft light",\n'


def start(page: Page) -> None:
    """The page as it opens."""
    page.wait_for_timeout(600)


def no_model(page: Page) -> None:
    """As it opens when there is no checkpoint."""
    start(page)


def running(page: Page) -> None:
    """In the middle of a job."""
    fill(page)
    page.fill("#txt2img_batch_count input[type=number]", "3")
    page.click("#txt2img_generate")
    expect(page.locator("[data-live=txt2img] .live-preview")).to_be_visible()
    page.wait_for_timeout(600)


def done(page: Page) -> None:
    """With pictures."""
    fill(page)
    page.fill("#txt2img_batch_size input[type=number]", "4")
    page.click("#txt2img_generate")
    expect(page.locator("#html_info_txt2img .infotext-text")).to_be_visible(timeout=20_000)
    page.wait_for_timeout(800)


def failed(page: Page) -> None:
    """After an error."""
    fill(page)
    page.fill("#txt2img_prompt textarea", "a picture that must fail")
    page.click("#txt2img_generate")
    expect(page.locator("#html_log_txt2img [role=alert]")).to_be_visible(timeout=20_000)
    page.wait_for_timeout(600)


def loading(page: Page) -> None:
    """While a checkpoint loads."""
    page.click("#setting_sd_model_checkpoint input")
    page.get_by_role("option", name="v1-5-pruned-emaonly.safetensors").click()
    expect(page.locator("[data-live=checkpoint] .progress-text")).to_contain_text("Loading")
    page.wait_for_timeout(400)


def fill(page: Page) -> None:
    """Type what somebody would type."""
    page.fill("#txt2img_prompt textarea", "hills at dusk, layers of mist, (soft light:1.2), matte painting")
    page.fill("#txt2img_neg_prompt textarea", "blurry, low quality, text")
    page.wait_for_timeout(700)


HELD = (running, loading)
"""States in which the job must not go on while its picture is taken."""


def shoot(browser: Browser, server: PageServer, folder: Path, state: Callable[[Page], None]) -> None:
    """Bring the page into `state` and take its picture at every width, light and dark."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for width, height in WIDTHS.items():
        for scheme in schemes:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = open_page(context, server.url)
            if state in HELD:
                server.gate.shut()
            state(page)
            path = folder / f"{state.__name__}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True)
            print(path)
            context.close()
            server.finish_jobs()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        data = Path(name) / "easel"
        empty = PageServer(data)
        shoot(browser, empty, folder, no_model)
        empty.stop()
        for checkpoint in ("dreamshaper_8.safetensors", "v1-5-pruned-emaonly.safetensors"):
            write_checkpoint(data, checkpoint)
        (data / "styles.csv").write_text(STYLES)
        server = PageServer(data, step_seconds=0.06)
        for state in (start, running, done, failed, loading):
            shoot(browser, server, folder, state)
        server.stop()
        browser.close()


if __name__ == "__main__":
    main()
