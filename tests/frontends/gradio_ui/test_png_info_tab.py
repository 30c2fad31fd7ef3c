"""The PNG Info tab in a real browser."""

import json
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

from tests.frontends.gradio_ui.test_contrast import faint_texts
from tests.imaging.test_foreign_comfy import hires_graph

pytestmark = pytest.mark.browser

INFOTEXT = (
    "a red hill\nNegative prompt: rain\nSteps: 7, Sampler: Euler a, Schedule type: Karras, Seed: 99, Size: 256x320"
)


def picture(path: Path, **texts: str) -> Path:
    chunks = PngInfo()
    for name, text in texts.items():
        chunks.add_text(name, text)
    Image.new("RGB", (64, 80), "teal").save(path, pnginfo=chunks)
    return path


@pytest.fixture
def tab(page: Page) -> Page:
    page.get_by_role("tab", name="PNG Info", exact=True).click()
    expect(page.locator("#pnginfo_image")).to_be_visible()
    return page


def test_a_picture_tells_how_it_was_made_and_fills_the_form(tab: Page, tmp_path: Path, complaints: list[str]) -> None:
    tab.set_input_files("#pnginfo_image input", picture(tmp_path / "a.png", parameters=INFOTEXT, note="mine"))
    expect(tab.locator(".pnginfo-infotext .infotext-text")).to_have_text(INFOTEXT)
    expect(tab.locator(".pnginfo-fields tr", has_text="Size")).to_have_text("Size256x320")
    expect(tab.locator(".pnginfo-mapped")).to_be_hidden()
    tab.get_by_text("note", exact=True).click()
    expect(tab.locator(".pnginfo-items pre")).to_have_text("mine")
    tab.get_by_role("button", name="Send to txt2img").click()
    expect(tab.locator("#txt2img_prompt textarea")).to_have_value("a red hill")
    expect(tab.locator("#txt2img_prompt textarea")).to_be_visible()
    expect(tab.locator("#txt2img_width input[type=number]")).to_have_value("256")
    expect(tab.locator("#txt2img_seed input")).to_have_value("99")
    assert complaints == []


def test_a_graph_of_comfyui_fills_the_form(tab: Page, tmp_path: Path) -> None:
    graph = json.dumps(hires_graph())
    tab.set_input_files("#pnginfo_image input", picture(tmp_path / "comfy.png", prompt=graph))
    expect(tab.locator(".pnginfo-program")).to_contain_text("Made by ComfyUI")
    expect(tab.locator(".pnginfo-mapped tr", has_text="approximated").first).to_contain_text("RNG: CPU")
    assert faint_texts(tab) == []
    tab.get_by_role("button", name="Send to txt2img").click()
    expect(tab.locator("#txt2img_prompt textarea")).to_have_value("a glass bottle, (galaxy:1.2)")
    expect(tab.locator("#txt2img_hires_steps input[type=number]")).to_have_value("14")
    expect(tab.locator("#txt2img_override_settings .token").first).to_be_visible()


def test_a_picture_without_words_goes_to_img2img_alone(tab: Page, tmp_path: Path) -> None:
    tab.set_input_files("#pnginfo_image input", picture(tmp_path / "plain.png"))
    expect(tab.locator(".pnginfo-file")).to_have_text("plain.png does not say how it was made.")
    expect(tab.get_by_role("button", name="Send to txt2img")).to_be_hidden()
    tab.get_by_role("button", name="Send to img2img").click()
    expect(tab.locator("#img2img_prompt textarea")).to_be_visible()


def test_a_file_that_is_no_picture_is_said(tab: Page, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    tab.set_input_files("#pnginfo_image input", tmp_path / "bad.png")
    expect(tab.locator(".pnginfo-file")).to_contain_text("is not a picture")
    expect(tab.locator(".pnginfo-said")).to_be_hidden()
