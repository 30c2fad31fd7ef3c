"""A newcomer's first minute, with nothing faked: real server, real checkpoint, real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from modules.imaging.metadata import read_parameters
from tests.browser_tools import open_page
from tests.recorded_checkpoint import write_recorded_checkpoint
from tests.server import running_server


@pytest.mark.browser
def test_a_first_picture(tmp_path: Path, context: BrowserContext) -> None:
    write_recorded_checkpoint(tmp_path / "models" / "Stable-diffusion")
    flags = ("--data-dir", str(tmp_path), "--no-half", "--use-cpu", "all")
    with running_server(*flags) as server:
        page = open_page(context, server.url)
        page.locator("#txt2img_prompt textarea").fill("a red cat")
        for name, value in (("steps", "3"), ("width", "64"), ("height", "64"), ("seed", "7")):
            field = page.locator(f"#txt2img_{name} input, #txt2img_{name} textarea").first
            field.fill(value)
            field.press("Tab")
        page.locator("#txt2img_generate").click()
        expect(page.locator("#html_info_txt2img")).to_contain_text("Seed: 7, Size: 64x64", timeout=60_000)
        server.wait_for_line("Running on cpu")
    saved = list((tmp_path / "outputs" / "txt2img-images").glob("*/00000-7.png"))
    text = read_parameters(saved[0])
    assert text
    assert text.startswith("a red cat\nSteps: 3, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7")
