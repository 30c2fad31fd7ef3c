"""The queue and the history in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from modules.core.parameters import Txt2Img
from modules.jobs.origin import Origin
from tests.browser_tools import open_page
from tests.frontends.gradio_ui.page_server import PageServer, write_checkpoint

pytestmark = pytest.mark.browser

PROMPT = "#txt2img_prompt textarea"


@pytest.fixture(scope="module")
def queue_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    folder = tmp_path_factory.mktemp("queue")
    write_checkpoint(folder, "alpha.safetensors")
    server = PageServer(folder, step_seconds=0.005, lasting=True)
    yield server
    server.gate.open()
    server.stop()


@pytest.fixture
def server(queue_server: PageServer) -> Iterator[PageServer]:
    yield queue_server
    queue_server.finish_jobs()
    runs = queue_server.backend.history.runs
    for run in runs.page("").runs:
        runs.forget(run.id)


@pytest.fixture
def page(context: BrowserContext, server: PageServer, complaints: list[str]) -> Page:
    return open_page(context, server.url, complaints)


def submit(server: PageServer, prompt: str, **more: int) -> str:
    request = Txt2Img(prompt=prompt, width=64, height=64, steps=4).model_copy(update=more)
    return server.backend.jobs.submit(request, origin=Origin.PAGE).job_id


def make(server: PageServer, *prompts: str, **more: int) -> None:
    """Make pictures and wait until the history has them."""
    for prompt in prompts:
        for _ in server.backend.jobs.subscribe(submit(server, prompt, **more)):
            pass


def open_panel(page: Page, tab: str = "Queue") -> Locator:
    page.click("#queue_button")
    panel = page.locator("#queue_panel")
    panel.get_by_role("tab", name=tab).click()
    return panel


def entry(panel: Locator, prompt: str) -> Locator:
    return panel.locator(".queue-entry", has=panel.page.get_by_text(prompt, exact=True))


def test_the_queue_is_seen_changed_and_told_apart(
    page: Page, server: PageServer, browser: Browser, complaints: list[str]
) -> None:
    server.gate.shut()
    page.fill(PROMPT, "mine runs")
    page.click("#txt2img_generate")
    expect(page.locator(".queue-count")).to_have_text("1")
    other = browser.new_context()
    theirs = open_page(other, server.url)
    theirs.fill(PROMPT, "theirs waits")
    theirs.click("#txt2img_generate")
    expect(theirs.locator(".queue-count")).to_have_text("2")
    submit(server, "third")
    panel = open_panel(page)
    waiting = panel.locator("[data-list=waiting] .queue-title")
    expect(waiting).to_have_text(["theirs waits", "third"])
    expect(entry(panel, "mine runs")).to_have_class(re.compile("own"))
    expect(entry(panel, "theirs waits")).not_to_have_class(re.compile("own"))
    expect(panel.locator("[data-list=running] [role=progressbar]")).to_be_visible()
    panel.get_by_role("button", name="Move up: third").click()
    expect(waiting).to_have_text(["third", "theirs waits"])
    panel.get_by_role("button", name="Cancel: third").click()
    expect(waiting).to_have_text(["theirs waits"])
    expect(panel.locator("[data-list=ended] .queue-facts").first).to_contain_text("Cancelled")
    panel.get_by_role("button", name="Make once more: third").click()
    expect(waiting).to_have_text(["theirs waits", "third"])
    theirs.locator("#queue_button").click()
    expect(entry(theirs.locator("#queue_panel"), "theirs waits")).to_have_class(re.compile("own"))
    other.close()
    server.gate.open()
    expect(panel.locator(".queue-said")).to_have_text("Nothing waits or runs.")
    expect(page.locator(".queue-count")).to_have_text("")
    assert complaints == []


def test_a_form_comes_back_from_the_history_and_can_be_undone(page: Page, server: PageServer) -> None:
    make(server, "a green hill", seed=77, batch_count=2)
    make(server, "a blue lake")
    page.fill(PROMPT, "what I write now")
    panel = open_panel(page, "History")
    expect(panel.locator(".history-said")).to_have_text("2 runs")
    panel.locator(".history-search").fill("hill 77")
    expect(panel.locator(".history-said")).to_have_text("1 run")
    expect(panel.locator(".run-count")).to_have_text("×2")
    panel.locator(".run-main").click()
    dialog = page.locator("#run_dialog")
    expect(dialog.locator(".run-infotext")).to_contain_text("Seed: 77, Size: 64x64")
    expect(dialog.locator(".run-picture")).to_have_js_property("naturalWidth", 64)
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".run-infotext")).to_contain_text("Seed: 78")
    dialog.get_by_role("button", name="Restore this form").click()
    expect(dialog).to_be_hidden()
    expect(panel).to_be_hidden()
    expect(page.locator(PROMPT)).to_have_value("a green hill")
    expect(page.locator("#txt2img_seed input")).to_have_value("78")
    expect(page.locator("#txt2img_steps input[type=number]")).to_have_value("4")
    expect(page.locator("#txt2img_undo")).to_be_enabled()
    page.click("#txt2img_undo")
    expect(page.locator(PROMPT)).to_have_value("what I write now")
    page.click("#txt2img_redo")
    expect(page.locator(PROMPT)).to_have_value("a green hill")


def test_favourites_comparison_and_removal(page: Page, server: PageServer, complaints: list[str]) -> None:
    make(server, "one", "two")
    panel = open_panel(page, "History")
    tiles = panel.locator(".run")
    expect(tiles).to_have_count(2)
    tiles.first.locator(".run-main").click()
    dialog = page.locator("#run_dialog")
    dialog.get_by_role("button", name="Favourite").click()
    expect(dialog.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    dialog.get_by_role("button", name="Compare").click()
    expect(panel.locator(".history-choosing")).to_be_visible()
    tiles.nth(1).locator(".run-main").click()
    comparison = page.locator("#compare_dialog")
    expect(comparison.locator(".compare-left")).to_have_js_property("naturalWidth", 64)
    before = comparison.locator(".compare-left").evaluate("element => getComputedStyle(element).clipPath")
    page.keyboard.press("ArrowRight")
    after = comparison.locator(".compare-left").evaluate("element => getComputedStyle(element).clipPath")
    assert before != after
    page.keyboard.press("Escape")
    panel.get_by_role("button", name="Favourites only").click()
    expect(tiles).to_have_count(1)
    expect(tiles.locator(".run-star")).to_be_visible()
    tiles.locator(".run-main").click()
    dialog.get_by_role("button", name="Remove from the history").click()
    expect(tiles).to_have_count(0)
    assert complaints == []


def test_many_runs_are_fetched_as_they_are_scrolled_to(page: Page, server: PageServer) -> None:
    make(server, *(f"number {number}" for number in range(70)), steps=1)
    panel = open_panel(page, "History")
    tiles = panel.locator(".run")
    expect(panel.locator(".history-said")).to_have_text("70 runs")
    expect(tiles).to_have_count(60)
    panel.locator(".history-scroll").evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(tiles).to_have_count(70)
    tiles.first.locator(".run-main").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(4).locator(".run-main")).to_be_focused()


def test_a_page_finds_its_job_again_after_the_server_was_started_anew(page: Page, server: PageServer) -> None:
    server.gate.shut()
    page.fill(PROMPT, "goes on")
    page.click("#txt2img_generate")
    expect(page.locator(".queue-count")).to_have_text("1")
    server.stop()
    server.gate.open()
    server.start()
    expect(page.locator("#txt2img_gallery [data-testid=detailed-image]")).to_be_visible()


def test_the_panel_is_closed_and_asks_for_nothing(page: Page) -> None:
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "internal/" in request.url else None)
    page.wait_for_timeout(3000)
    assert asked == []
    page.click("#queue_button")
    expect(page.locator("#queue_panel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#queue_panel")).to_be_hidden()
    expect(page.locator("#queue_button")).to_be_focused()
