"""The page in another language than English, in a real browser."""

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser_tools import open_page
from tests.frontends.gradio_ui.page_server import PageServer

pytestmark = pytest.mark.browser


@pytest.fixture
def open_in(browser: Browser, server: PageServer, complaints: list[str]) -> Iterator[Callable[[str], Page]]:
    """Opens the page in a browser of some language."""
    contexts: list[BrowserContext] = []

    def open_in(language: str) -> Page:
        contexts.append(browser.new_context(locale=language))
        return open_page(contexts[-1], server.url, complaints)

    yield open_in
    for context in contexts:
        context.close()


@pytest.fixture
def own_pack(server: PageServer) -> Iterator[Callable[[dict[str, str | bool]], None]]:
    """Writes a pack of the person's and chooses it."""
    path = server.backend.paths.data / "localizations" / "own.json"

    def choose(pack: dict[str, str | bool]) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(pack), encoding="utf-8")
        server.backend.settings.update({"localization": "own"}, trusted=True)

    yield choose
    path.unlink()
    server.backend.settings.update({"localization": "Automatic"}, trusted=True)


def test_a_chinese_browser_gets_a_chinese_page(open_in: Callable[[str], Page], complaints: list[str]) -> None:
    page = open_in("zh-CN")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    tabs = page.locator("#tabs > .tab-wrapper [role=tab]")
    expect(tabs).to_have_text(["文生图", "图生图", "PNG 图片信息", "设置"])
    prompt = page.get_by_label("提示词", exact=True)
    prompt.fill("Generate")
    page.locator("#txt2img_steps input[type=number]").fill("3")
    expect(page.get_by_label("迭代步数").first).to_be_visible()
    page.get_by_role("button", name="生成", exact=True).click()
    expect(page.locator("#html_log_txt2img")).to_contain_text("用时", timeout=30_000)
    expect(page.locator("#html_info_txt2img")).to_contain_text("Generate")
    expect(prompt).to_have_value("Generate")
    page.click("#txt2img_send_to_img2img")
    expect(page.locator("#img2img_prompt textarea")).to_have_value("Generate")
    expect(page.locator("#img2img_sketch_mode")).to_have_text("涂鸦")
    page.get_by_role("tab", name="嵌入式", exact=True).last.click()
    empty = "element => getComputedStyle(element, '::before').content"
    assert page.locator("#tab_img2img [data-cards=embedding] .cards-scroll").evaluate(empty) == '"没有找到。"'
    page.get_by_role("tab", name="设置", exact=True).click()
    page.fill("#settings_search", "静默 不存在")
    expect(page.locator(".settings-nothing")).to_have_text("没有找到。")
    page.fill("#settings_search", "网格图 文件格式")
    expect(page.locator(".setting:visible")).to_have_count(1)
    page.locator("#queue_button").click()
    expect(page.locator("#queue_panel .queue-entry").first).to_contain_text("已完成")
    expect(page.locator("#queue_panel .queue-title").first).to_have_text("Generate")
    expect(page.locator("#queue_panel [data-act=retry]").first).to_have_attribute("aria-label", "再生成一次: Generate")
    assert complaints == []


def test_an_english_browser_gets_an_english_page(open_in: Callable[[str], Page]) -> None:
    page = open_in("en-GB")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#txt2img_generate")).to_have_text("Generate")


def test_a_pack_is_text_and_may_run_from_right_to_left(
    open_in: Callable[[str], Page], own_pack: Callable[[dict[str, str | bool]], None], complaints: list[str]
) -> None:
    attack = "<img src=x onerror=\"document.title='broken'\">"
    own_pack({"Generate": attack, "Interrupt": "Skip", "Skip": "Interrupt", "__proto__": "x", "rtl": True})
    page = open_in("zh-CN")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("#txt2img_generate")).to_have_text(attack)
    # Each once, and not to and fro.
    expect(page.locator("#txt2img_interrupt")).to_have_text("Skip")
    expect(page.locator("#txt2img_skip")).to_have_text("Interrupt")
    expect(page.locator("#txt2img_prompt span").first).to_have_text("Prompt")
    assert page.title() != "broken"
    assert complaints == []
