"""The demo model in a real browser: what the page says and offers while it is chosen, and how that ends."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser_tools import open_page, wait_until_ready
from tests.frontends.gradio_ui.page_server import PageServer, write_checkpoint
from tests.frontends.gradio_ui.test_contrast import FAINT_TEXTS
from tests.safetensors_headers import write_demo

pytestmark = pytest.mark.browser

PROMPTS = ("a red circle on a blue background", "two green stars", "hills, ${1+1} {{x}} <b>", "a pink moon " * 20)
LINE = "#demo_model .demo-line"


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server with the demo model, a real checkpoint and one that does not load."""
    data = tmp_path_factory.mktemp("demo")
    write_demo(data / "models" / "Stable-diffusion", prompts=PROMPTS)
    for name in ("bad.safetensors", "real.safetensors"):
        write_checkpoint(data, name)
    server = PageServer(data)
    yield server
    server.stop()


@pytest.fixture
def server(demo_server: PageServer) -> PageServer:
    """The server, with the demo model chosen."""
    demo_server.finish_jobs()
    demo_server.backend.settings.update({"sd_model_checkpoint": "easel-demo.safetensors"}, trusted=True)
    return demo_server


@pytest.fixture
def page(page: Page) -> Page:
    """The page, brought up to date; that the tokens are counted is the last thing that happens then."""
    expect(page.locator("#txt2img_token_counter")).to_have_text("7/75")
    return page


def box(page: Page) -> Locator:
    return page.locator("#txt2img_prompt textarea")


def expect_size(page: Page, width: int, height: int) -> None:
    expect(page.locator("#txt2img_width input[type=number]")).to_have_value(str(width))
    expect(page.locator("#txt2img_height input[type=number]")).to_have_value(str(height))


def choose(page: Page, name: str) -> None:
    page.click("#setting_sd_model_checkpoint input")
    page.get_by_role("option", name=name).click()


def test_the_form_follows_the_checkpoint_to_and_fro(page: Page, complaints: list[str]) -> None:
    expect(page.locator(LINE)).to_contain_text("Demo model, comes with Easel")
    expect(box(page)).to_have_value(PROMPTS[0])
    expect(page.locator("#txt2img_token_counter")).to_have_text("7/75")
    expect_size(page, 128, 128)
    tries = page.get_by_role("group", name="Suggested prompts")
    for prompt in PROMPTS[1:]:
        tries.get_by_role("button", name=prompt.strip(), exact=True).press("Enter")
        expect(box(page)).to_have_value(prompt.strip())
    expect(page.locator("#txt2img_token_counter")).to_have_text("60/75")

    choose(page, "real.safetensors")
    expect_size(page, 512, 512)
    expect(box(page)).to_have_value("")
    expect(page.locator("#txt2img_token_counter")).to_have_text("0/75")
    expect(page.locator(LINE)).to_be_hidden()
    expect(tries).to_be_hidden()

    choose(page, "easel-demo.safetensors")
    expect_size(page, 128, 128)
    expect(box(page)).to_have_value(PROMPTS[0])
    expect(page.locator(LINE)).to_be_visible()
    assert complaints == []


def test_what_a_person_entered_stays(page: Page, server: PageServer) -> None:
    expect(box(page)).to_have_value(PROMPTS[0])
    box(page).fill("my own words")
    page.fill("#txt2img_width input[type=number]", "640")
    page.press("#txt2img_width input[type=number]", "Tab")
    server.gate.shut()
    choose(page, "real.safetensors")
    expect(page.locator("[data-live=checkpoint]")).to_be_visible()
    box(page).fill("my own words, while it loads")
    server.gate.open()
    expect(page.locator(LINE)).to_be_hidden()
    expect_size(page, 640, 128)
    expect(box(page)).to_have_value("my own words, while it loads")


def test_a_checkpoint_that_does_not_load_changes_nothing(page: Page) -> None:
    choose(page, "bad.safetensors")
    expect(page.locator(".toast-body")).to_contain_text("bad.safetensors is not")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value("easel-demo.safetensors")
    expect(page.locator(LINE)).to_be_visible()
    expect(box(page)).to_have_value(PROMPTS[0])
    expect_size(page, 128, 128)


def test_a_choice_by_the_api_is_shown_after_a_reload(page: Page, server: PageServer) -> None:
    page.click("#txt2img_generate")
    expect(page.locator("#html_info_txt2img")).to_contain_text("Size: 128x128")
    httpx.post(f"{server.url}sdapi/v1/options", json={"sd_model_checkpoint": "real"}, timeout=30).raise_for_status()
    page.reload()
    wait_until_ready(page)
    expect_size(page, 512, 512)
    expect(box(page)).to_have_value("")
    expect(page.locator(LINE)).to_be_hidden()


def test_the_first_real_checkpoint_takes_over(
    context: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("newcomer")
    write_demo(data / "models" / "Stable-diffusion")
    server = PageServer(data)
    page = open_page(context, server.url)
    expect(page.locator(LINE)).to_contain_text(str(data / "models" / "Stable-diffusion"))
    expect(page.locator("#txt2img_token_counter")).to_have_text("7/75")
    write_checkpoint(data, "real.safetensors")
    page.click("#refresh_sd_model_checkpoint")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value("real.safetensors")
    expect(page.locator(LINE)).to_be_hidden()
    expect_size(page, 512, 512)
    expect(box(page)).to_have_value("")
    server.stop()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_can_be_read(page: Page, *, dark: bool) -> None:
    if dark:
        page.click("#footer [data-action=toggle-theme]")
    page.wait_for_timeout(800)  # colours change gradually
    assert page.evaluate(FAINT_TEXTS) == []


def test_the_bar_keeps_its_height(page: Page) -> None:
    bar = page.locator("#quicksettings")
    expect(page.locator(LINE)).to_be_visible()
    before = bar.bounding_box()
    choose(page, "real.safetensors")
    expect(page.locator(LINE)).to_be_hidden()
    assert bar.bounding_box() == before


def test_on_a_phone_the_suggestions_are_one_line(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    row = page.get_by_role("group", name="Suggested prompts").bounding_box()
    assert row
    assert row["height"] < 48
    last = page.get_by_role("button", name=PROMPTS[-1].strip())
    last.focus()
    expect(last).to_be_in_viewport()
