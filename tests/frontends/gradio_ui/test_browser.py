"""The page in a real browser: everything that a person does on the txt2img tab."""

import re
from io import BytesIO

import httpx
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser_tools import open_page, wait_until_ready
from tests.frontends.gradio_ui.page_server import PageServer, write_checkpoint

pytestmark = pytest.mark.browser

INFOTEXT = "#html_info_txt2img"
LOG = "#html_log_txt2img"
PICTURE = "#txt2img_gallery [data-testid=detailed-image]"
THUMBNAILS = "#txt2img_gallery .thumbnails .thumbnail-item"
LIVE = "[data-live=txt2img]"
PREVIEW = f"{LIVE} .live-preview"


def set_number(page: Page, name: str, value: float) -> None:
    page.fill(f"#txt2img_{name} input[type=number]", str(value))


def prompt(page: Page, text: str) -> None:
    page.fill("#txt2img_prompt textarea", text)


def generate(page: Page) -> None:
    page.click("#txt2img_generate")


def choose(page: Page, dropdown: str, option: str) -> None:
    page.click(f"{dropdown} input")
    page.get_by_role("option", name=option).click()


def wait_for_share(page: Page, percent: int) -> None:
    """Wait until the progress bar shows at least `percent`."""
    page.wait_for_function(f"Number(document.querySelector('{LIVE} .progress').ariaValueNow) >= {percent}")


def test_generate_shows_the_picture_and_its_infotext(page: Page, complaints: list[str]) -> None:
    prompt(page, "hills <script>document.title='owned'</script>")
    page.fill("#txt2img_seed input", "9007199254740993")  # 2^53 + 1: a browser's number would round it
    generate(page)
    expect(page.locator(INFOTEXT)).to_contain_text("hills <script>document.title='owned'</script>")
    expect(page.locator(INFOTEXT)).to_contain_text("Seed: 9007199254740993")
    expect(page.locator(LOG)).to_contain_text("Time taken")
    expect(page.locator("#txt2img_generate")).to_be_visible()
    expect(page.locator("#txt2img_interrupt")).to_be_hidden()
    source = page.locator(PICTURE).get_attribute("src")
    assert source
    with Image.open(BytesIO(httpx.get(source).content)) as picture:
        assert picture.format == "PNG"
        assert "Seed: 9007199254740993" in picture.info["parameters"]
    assert page.title() == "Easel"
    assert complaints == []


def test_progress_and_preview_are_seen_meanwhile(page: Page, server: PageServer) -> None:
    server.gate.shut()
    generate(page)
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    expect(page.locator("#txt2img_skip")).to_be_visible()
    expect(page.locator("#txt2img_generate")).to_be_hidden()
    expect(page.locator(PREVIEW)).to_have_attribute("src", re.compile("^data:image/jpeg;base64,"))
    expect(page.locator(PREVIEW)).to_be_visible()
    expect(page.locator(f"{LIVE} .progress-text")).to_contain_text(re.compile(r"50 % · .*left · Sampling"))
    expect(page.locator(f"{LIVE} .progress")).to_have_attribute("aria-valuenow", "50")
    expect(page).to_have_title("[50%] Easel")
    server.gate.open()
    expect(page.locator(PICTURE)).to_be_visible()
    expect(page.locator(LIVE)).to_be_hidden()
    expect(page).to_have_title("Easel")


def test_nothing_moves_when_the_picture_arrives(page: Page, server: PageServer) -> None:
    stage = page.locator("#txt2img_gallery_container")
    before = stage.bounding_box()
    server.gate.shut()
    generate(page)
    expect(page.locator(LIVE)).to_be_visible()
    assert stage.bounding_box() == before
    server.gate.open()
    expect(page.locator(PICTURE)).to_be_visible()
    assert stage.bounding_box() == before


def test_interrupt_keeps_the_finished_pictures(page: Page) -> None:
    set_number(page, "batch_count", 100)
    generate(page)
    wait_for_share(page, 2)
    page.click("#txt2img_interrupt")
    expect(page.locator(LOG)).to_contain_text(re.compile(r"Interrupted, \d+ finished pictures? kept"))
    expect(page.locator("#txt2img_generate")).to_be_visible()
    assert 1 <= page.locator(THUMBNAILS).count() < 100


def test_skip_leaves_one_batch(page: Page, server: PageServer) -> None:
    set_number(page, "batch_count", 3)
    server.gate.shut()
    generate(page)
    wait_for_share(page, 16)
    page.click("#txt2img_skip")
    wait_for_share(page, 50)  # the middle of the second batch
    server.gate.open()
    expect(page.locator(LOG)).to_contain_text("Time taken")
    assert page.locator(THUMBNAILS).count() == 2


def test_a_reload_finds_the_running_job_again(page: Page, server: PageServer) -> None:
    prompt(page, "hills after a reload")
    set_number(page, "steps", 33)
    server.gate.shut()
    generate(page)
    expect(page.locator(PREVIEW)).to_be_visible()
    page.reload()
    wait_until_ready(page)
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    expect(page.locator(PREVIEW)).to_be_visible()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("hills after a reload")
    expect(page.locator("#txt2img_steps input[type=number]")).to_have_value("33")
    server.gate.open()
    expect(page.locator(INFOTEXT)).to_contain_text("hills after a reload")
    page.reload()
    wait_until_ready(page)
    expect(page.locator(INFOTEXT)).to_contain_text("hills after a reload")


def test_a_job_that_ended_while_the_tab_was_closed_is_found(
    context: BrowserContext, server: PageServer, complaints: list[str]
) -> None:
    first = open_page(context, server.url)
    prompt(first, "hills left alone")
    server.gate.shut()
    generate(first)
    expect(first.locator(PREVIEW)).to_be_visible()
    first.close()
    server.gate.open()
    server.wait_until_idle()
    second = open_page(context, server.url, complaints)
    expect(second.locator(INFOTEXT)).to_contain_text("hills left alone")
    third = open_page(context, server.url)
    expect(third.locator("#txt2img_generate")).to_be_visible()
    expect(third.locator(PICTURE)).to_have_count(0)
    assert complaints == []


def test_a_failed_job_shows_its_sentence_and_the_next_one_runs(page: Page) -> None:
    prompt(page, "please fail")
    generate(page)
    error = page.locator(f"{LOG} [role=alert]")
    expect(error).to_have_text("The picture does not fit into memory. Choose a smaller size or batch size.")
    expect(page.locator(".toast-body")).to_contain_text("does not fit into memory")
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("please fail")
    prompt(page, "now it works")
    generate(page)
    expect(page.locator(INFOTEXT)).to_contain_text("now it works")
    expect(error).to_have_count(0)


def test_two_tabs_are_served_one_after_the_other(context: BrowserContext, page: Page, server: PageServer) -> None:
    prompt(page, "first tab")
    server.gate.shut()
    generate(page)
    expect(page.locator(PREVIEW)).to_be_visible()
    second = open_page(context, server.url)
    expect(second.locator("#txt2img_generate")).to_be_visible()  # it does not take over the first tab's job
    prompt(second, "second tab")
    generate(second)
    expect(second.locator(f"{LIVE} .progress-text")).to_have_text("In queue: 1/1")
    server.gate.open()
    expect(second.locator(INFOTEXT)).to_contain_text("second tab")
    expect(page.locator(INFOTEXT)).to_contain_text("first tab")


def test_stopping_a_waiting_tab_leaves_the_running_one_alone(
    context: BrowserContext, page: Page, server: PageServer
) -> None:
    prompt(page, "first tab")
    server.gate.shut()
    generate(page)
    expect(page.locator(PREVIEW)).to_be_visible()
    second = open_page(context, server.url)
    generate(second)
    expect(second.locator(f"{LIVE} .progress-text")).to_contain_text("In queue")
    second.click("#txt2img_skip")
    second.click("#txt2img_interrupt")
    expect(second.locator("#txt2img_generate")).to_be_visible()
    server.gate.open()
    expect(page.locator(INFOTEXT)).to_contain_text("first tab")


@pytest.mark.parametrize(("name", "value", "label"), [("width", "0", "Width"), ("steps", "", "Sampling steps")])
def test_an_invalid_number_is_named_and_nothing_is_lost(page: Page, name: str, value: str, label: str) -> None:
    prompt(page, "keep me")
    # Without leaving the field, which would bring the number back into its range.
    page.fill(f"#txt2img_{name} input[type=number]", value)
    page.press(f"#txt2img_{name} input[type=number]", "Control+Enter")
    expect(page.locator(f"{LOG} [role=alert]")).to_contain_text(f"{label}")
    expect(page.locator(".toast-body")).to_contain_text(label)
    expect(page.locator("#txt2img_generate")).to_be_visible()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("keep me")


def test_markup_in_an_error_stays_text(page: Page, complaints: list[str]) -> None:
    page.fill("#txt2img_seed input", "<img src=x onerror=console.error(1)>")
    generate(page)
    expect(page.locator(f"{LOG} [role=alert]")).to_contain_text("not <img src=x onerror=console.error(1)>")
    expect(page.locator(".toast-body")).to_contain_text("<img src=x")
    assert complaints == []


def test_the_second_half_of_a_double_click_does_not_interrupt(page: Page) -> None:
    reaction = page.evaluate(
        """() => new Promise((resolve) => {
            const box = document.getElementById("txt2img_generate_box");
            const interrupt = document.getElementById("txt2img_interrupt");
            const answer = () => resolve(getComputedStyle(interrupt).pointerEvents);
            new MutationObserver(answer).observe(box, { attributes: true });
            document.getElementById("txt2img_generate").click();
        })"""
    )
    assert reaction == "none"
    expect(page.locator(PICTURE)).to_be_visible()


def test_the_keyboard_generates_skips_and_interrupts(page: Page, server: PageServer) -> None:
    set_number(page, "batch_count", 2)
    server.gate.shut()
    page.press("#txt2img_neg_prompt textarea", "Control+Enter")
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    expect(page.locator("#txt2img_neg_prompt textarea")).to_have_value("")
    wait_for_share(page, 25)
    page.keyboard.press("Alt+Enter")
    wait_for_share(page, 75)
    page.click("#txt2img_sampling input")
    page.keyboard.press("Escape")  # closes the drop-down, no more
    expect(page.get_by_role("option")).to_have_count(0)
    page.wait_for_timeout(300)
    expect(page.locator("#txt2img_interrupt")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(LOG)).to_contain_text("Interrupted before a picture was finished")


def test_the_infotext_follows_the_chosen_picture_and_its_seed_is_reused(page: Page) -> None:
    set_number(page, "batch_size", 3)
    page.fill("#txt2img_seed input", "9007199254740993")
    generate(page)
    expect(page.locator(INFOTEXT)).to_contain_text("Seed: 9007199254740993")
    page.locator(THUMBNAILS).nth(2).click()
    expect(page.locator(INFOTEXT)).to_contain_text("Seed: 9007199254740995")
    page.click("#txt2img_random_seed")
    expect(page.locator("#txt2img_seed input")).to_have_value("-1")
    page.click("#txt2img_reuse_seed")
    expect(page.locator("#txt2img_seed input")).to_have_value("9007199254740995")


def test_tokens_are_counted_with_the_styles(page: Page) -> None:
    counter = page.locator("#txt2img_token_counter")
    prompt(page, "a red cat")
    expect(counter).to_have_text("3/75")
    choose(page, "#txt2img_styles", "Photo")
    expect(page.locator("#txt2img_negative_token_counter")).to_have_text("1/75")
    prompt(page, "cat " * 80)
    expect(counter).to_have_text(re.compile(r"\d+/150"))


def test_swap_exchanges_the_sides(page: Page) -> None:
    set_number(page, "width", 640)
    page.press("#txt2img_width input[type=number]", "Tab")
    page.click("#txt2img_res_switch_btn")
    expect(page.locator("#txt2img_width input[type=number]")).to_have_value("512")
    expect(page.locator("#txt2img_height input[type=number]")).to_have_value("640")


def test_choosing_a_checkpoint_loads_it(page: Page, server: PageServer) -> None:
    server.gate.shut()
    choose(page, "#setting_sd_model_checkpoint", "gamma.safetensors")
    expect(page.locator("[data-live=checkpoint] .progress-text")).to_contain_text("Loading gamma")
    page.wait_for_timeout(500)
    assert server.backend.jobs.pending() == ()  # a choice is one job, although the browser reports it twice
    server.gate.open()
    expect(page.locator("[data-live=checkpoint]")).to_be_hidden()
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value("gamma.safetensors")
    assert server.backend.settings.snapshot().sd_model_checkpoint == "gamma.safetensors"


def test_a_bad_checkpoint_is_named_and_the_old_one_returns(page: Page, server: PageServer) -> None:
    choose(page, "#setting_sd_model_checkpoint", "bad.safetensors")
    expect(page.locator(".toast-body")).to_contain_text("bad.safetensors is not a Stable Diffusion checkpoint.")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value("alpha.safetensors")
    assert server.backend.settings.snapshot().sd_model_checkpoint is None


def test_the_theme_is_switched_and_remembered(page: Page) -> None:
    assert not page.evaluate("document.body.classList.contains('dark')")
    page.click("#footer [data-action=toggle-theme]")
    assert page.evaluate("document.body.classList.contains('dark')")
    page.reload()
    wait_until_ready(page)
    assert page.evaluate("document.body.classList.contains('dark')")


def test_a_forced_theme_beats_the_browsers(context: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = PageServer(tmp_path_factory.mktemp("dark"), theme="dark")
    page = open_page(context, server.url)
    assert page.evaluate("document.body.classList.contains('dark')")
    server.stop()


def test_icon_buttons_have_names(page: Page) -> None:
    for name in ("Refresh checkpoints", "Swap width and height", "Random seed", "Seed of the chosen picture"):
        expect(page.get_by_role("button", name=name)).to_have_attribute("title", name)


def test_on_a_phone_generate_is_always_in_reach(browser_page_on_a_phone: Page) -> None:
    page = browser_page_on_a_phone
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for position in (0, 10_000):
        page.evaluate(f"window.scrollTo(0, {position})")
        expect(page.locator("#txt2img_generate")).to_be_in_viewport(ratio=1)


@pytest.fixture
def browser_page_on_a_phone(context: BrowserContext, server: PageServer) -> Page:
    page = open_page(context, server.url)
    page.set_viewport_size({"width": 390, "height": 844})
    return page


def test_a_restarted_server_is_found_again(context: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("restarted")
    write_checkpoint(data, "alpha.safetensors")
    server = PageServer(data)
    server.gate.shut()
    page = open_page(context, server.url)
    prompt(page, "hills before the restart")
    generate(page)
    expect(page.locator(PREVIEW)).to_be_visible()
    server.stop()
    expect(page.locator(f"{LIVE} .progress-text")).to_have_text("Connection lost, retrying …")
    server.gate.open()
    server.start()
    expect(page.locator(f"{LOG} [role=alert]")).to_contain_text("no longer knows this job")
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("hills before the restart")
    generate(page)
    expect(page.locator(INFOTEXT)).to_contain_text("hills before the restart")
    server.stop()


def test_without_a_model_the_page_names_the_folder_to_fill(
    context: BrowserContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("empty")
    server = PageServer(data)
    page = open_page(context, server.url)
    notice = page.locator("#no_model_notice")
    expect(notice).to_contain_text("No checkpoint yet")
    expect(notice).to_contain_text(str(data / "models" / "Stable-diffusion"))
    write_checkpoint(data, "found.safetensors")
    page.click("#refresh_sd_model_checkpoint")
    expect(notice).to_be_hidden()
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value("found.safetensors")
    server.stop()
