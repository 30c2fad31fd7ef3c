"""What people do with the page: real server, the demo model and its add-ons, real browser."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from modules.core.paths import PROJECT_ROOT
from tests.browser_tools import open_page
from tests.server import Server, running_server

pytestmark = pytest.mark.browser

PICTURE_MS = 90_000


def _not_ours(folder: str, names: list[str]) -> list[str]:
    """What somebody who works on the project has put into its folders."""
    return [name for name in names if not name.startswith("easel-") and "text-encoder" not in folder]


@pytest.fixture(scope="module")
def story_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("stories")
    for folder in ("models/Stable-diffusion", "models/Lora", "embeddings"):
        shutil.copytree(PROJECT_ROOT / folder, data / folder, ignore=_not_ours)
    with running_server("--data-dir", str(data), "--use-cpu", "all") as server:
        yield server


@pytest.fixture
def page(context: BrowserContext, story_server: Server, complaints: list[str]) -> Page:
    return open_page(context, story_server.url, complaints)


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    found: list[str] = []
    yield found
    assert found == []


def fill(page: Page, name: str, value: object) -> None:
    field = page.locator(f"#{name} textarea, #{name} input").first
    field.fill(str(value))
    field.press("Tab")


def generate(page: Page, tab: str = "txt2img") -> str:
    """Make a picture; return its infotext."""
    before = page.locator(f"#html_log_{tab} [data-job]")
    job = before.get_attribute("data-job") if before.count() else ""
    page.click(f"#{tab}_generate")
    log = page.locator(f"#html_log_{tab} [data-job]:not([data-job='{job}'])")
    expect(log).to_contain_text("Time taken", timeout=PICTURE_MS)
    return page.locator(f"#html_info_{tab}").inner_text()


def pixels(page: Page, tab: str = "txt2img") -> NDArray[np.uint8]:
    source = page.locator(f"#{tab}_gallery [data-testid=detailed-image]").get_attribute("src")
    assert source
    with Image.open(io.BytesIO(httpx.get(source).content)) as picture:
        return np.asarray(picture.convert("RGB"))


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).first.click()


def test_a_card_a_prompt_and_the_same_picture_from_its_infotext(
    page: Page, context: BrowserContext, story_server: Server
) -> None:
    fill(page, "txt2img_prompt", "a red circle on a blue background")
    fill(page, "txt2img_steps", 6)
    open_tab(page, "Lora")
    page.locator("[data-cards=lora] .model-card-main").first.click()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value(
        "a red circle on a blue background <lora:easel-house:1>"
    )
    open_tab(page, "Generation")
    infotext = generate(page)
    assert 'Lora hashes: "easel-house:' in infotext
    first = pixels(page)
    fresh_context = context.browser.new_context()  # pyright: ignore[reportOptionalMemberAccess]  # it has one
    fresh = open_page(fresh_context, story_server.url)
    fresh.locator("#txt2img_prompt textarea").fill(infotext)
    fresh.click("#paste")
    expect(fresh.locator("#txt2img_steps input[type=number]")).to_have_value("6")
    generate(fresh)
    assert np.array_equal(pixels(fresh), first)
    fresh_context.close()


def test_hires_fix_doubles_the_picture(page: Page) -> None:
    fill(page, "txt2img_prompt", "a green star")
    fill(page, "txt2img_steps", 4)
    page.locator("#txt2img_hr-checkbox input").check()
    fill(page, "txt2img_hires_steps", 10)
    fill(page, "txt2img_denoising_strength", 0.5)
    expect(page.locator("#txtimg_hr_finalres")).to_have_text("from 128x128 to 256x256")
    infotext = generate(page)
    assert "Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent" in infotext
    assert "Denoising strength: 0.5" in infotext
    assert pixels(page).shape == (256, 256, 3)


def test_inpainting_changes_only_what_was_painted_over(page: Page) -> None:
    fill(page, "txt2img_prompt", "a red circle on a blue background")
    fill(page, "txt2img_steps", 4)
    generate(page)
    before = pixels(page).astype(int)
    page.click("#txt2img_send_to_inpaint")
    strokes = page.locator("#img2img_inpaint_image .strokes")
    expect(strokes).to_be_visible()
    expect(page.locator("#img2img_prompt textarea")).to_have_value("a red circle on a blue background")
    fill(page, "img2img_prompt", "a yellow square on a green background")
    page.get_by_label("Only masked", exact=True).check()
    page.locator("#img2img_inpaint_image [name=brush]").fill("60")
    strokes.scroll_into_view_if_needed()
    box = strokes.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.25, steps=5)
    page.mouse.up()
    infotext = generate(page, "img2img")
    assert "Inpaint area: Only masked" in infotext
    change = np.abs(pixels(page, "img2img").astype(int) - before).max(axis=2)
    assert change[16:48, 26:50].mean() > 10
    assert (change[80:, 80:] == 0).all()


def test_a_picture_is_sent_to_img2img_and_enlarged(page: Page) -> None:
    fill(page, "txt2img_prompt", "a red circle on a blue background")
    fill(page, "txt2img_steps", 4)
    generate(page)
    page.click("#txt2img_send_to_img2img")
    expect(page.locator("#img2img_img2img_image .canvas-size")).to_have_text("128 × 128")
    expect(page.locator("#img2img_steps input[type=number]")).to_have_value("4")
    page.get_by_label("Resize by", exact=True).check()
    fill(page, "img2img_scale", 2)
    fill(page, "img2img_denoising_strength", 0.4)
    assert "Size: 256x256" in generate(page, "img2img")
    assert pixels(page, "img2img").shape == (256, 256, 3)


def test_form_and_picture_survive_a_reload(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (96, 64), "red").save(tmp_path / "red.png")
    open_tab(page, "img2img")
    fill(page, "img2img_prompt", "a blue star")
    page.set_input_files("#img2img_img2img_image [type=file]", tmp_path / "red.png")
    expect(page.locator("#img2img_img2img_image .canvas-size")).to_have_text("96 × 64")
    page.wait_for_timeout(1000)  # a moment after the last change the form is remembered
    page.reload()
    page.wait_for_function("document.documentElement.dataset.easel === 'ready'")
    open_tab(page, "img2img")
    expect(page.locator("#img2img_prompt textarea")).to_have_value("a blue star")
    expect(page.locator("#img2img_img2img_image .canvas-size")).to_have_text("96 × 64")


def test_what_is_missing_is_said(page: Page) -> None:
    open_tab(page, "img2img")
    page.click("#img2img_generate")
    expect(page.locator("#html_log_img2img")).to_contain_text("There is no picture to begin with")
