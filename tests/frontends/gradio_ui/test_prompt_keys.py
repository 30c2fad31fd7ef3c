"""Keys that edit prompts, and the menu of Generate, in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.frontends.gradio_ui.page_server import PageServer

pytestmark = pytest.mark.browser

BOX = "#txt2img_prompt textarea"


def edited(page: Page, text: str, keys: str, *, times: int = 1) -> str:
    """Type a text whose selection is marked by "|" (once for a cursor), press keys, and return it marked likewise."""
    plain = text.replace("|", "")
    marks = [place for place, sign in enumerate(text) if sign == "|"]
    start, end = marks[0], marks[-1] - (len(marks) - 1)
    page.fill(BOX, plain)
    page.locator(BOX).evaluate("(box, [start, end]) => box.setSelectionRange(start, end)", [start, end])
    for _ in range(times):
        page.keyboard.press(keys)
    after = page.locator(BOX).evaluate("(box) => [box.value, box.selectionStart, box.selectionEnd]")
    value, start, end = str(after[0]), int(after[1]), int(after[2])
    return f"{value[:start]}|{value[start:end]}|{value[end:]}" if start != end else f"{value[:start]}|{value[start:]}"


@pytest.mark.parametrize(
    ("text", "keys", "times", "expected"),
    [
        ("a r|ed cat", "Control+ArrowUp", 1, "a (|red|:1.1) cat"),
        ("a |red cat|", "Control+ArrowUp", 3, "a (|red cat|:1.3)"),
        ("a |red| cat", "Control+ArrowDown", 2, "a (|red|:0.8) cat"),
        ("a (re|d:1.1) cat", "Control+ArrowDown", 1, "a |red| cat"),
        ("a (re|d) cat", "Control+ArrowUp", 1, "a (|red|:1.2) cat"),
        ("(a (re|d:1.2) cat:1.5)", "Control+ArrowUp", 1, "(a (|red|:1.3) cat:1.5)"),
        (r"a \(re|d\) cat", "Control+ArrowUp", 1, r"a \((|red|:1.1)\) cat"),
        ("a <lora:x|y:0.8> cat", "Control+ArrowUp", 1, "a |<lora:xy:0.85>| cat"),
        ("a <lora:x|y:0.05:te=1> cat", "Control+ArrowDown", 2, "a |<lora:xy:-0.05:te=1>| cat"),
        ("a , |, b", "Control+ArrowUp", 1, "a , |, b"),
        ("one, tw|o, three", "Alt+ArrowLeft", 1, "tw|o, one, three"),
        ("one, tw|o, three", "Alt+ArrowRight", 1, "one, three, tw|o"),
        ("on|e, two", "Alt+ArrowLeft", 1, "on|e, two"),
    ],
)
def test_keys_edit_the_prompt(page: Page, text: str, keys: str, times: int, expected: str) -> None:
    assert edited(page, text, keys, times=times) == expected


def test_the_counter_says_what_brackets_lack(page: Page) -> None:
    counter = page.locator("#txt2img_token_counter")
    page.fill(BOX, r"a (red [cat] \(")
    expect(counter).to_have_attribute("title", "Round brackets: 1 opened, 0 closed.")
    page.fill(BOX, "a (red) [cat]")
    expect(counter).to_have_attribute("title", "")


def test_generate_forever_until_interrupted(page: Page, server: PageServer) -> None:
    page.fill(BOX, "hills")
    page.locator("#txt2img_generate").click(button="right")
    page.get_by_role("menuitem", name="Generate forever").click()
    for _ in range(2):
        job = page.locator("#html_log_txt2img [data-job]").get_attribute("data-job", timeout=20_000)
        expect(page.locator(f"#html_log_txt2img [data-job]:not([data-job='{job}'])")).to_be_visible()
    page.locator("#txt2img_generate_box").click(button="right")
    page.get_by_role("menuitem", name="Cancel generate forever").click()
    server.wait_until_idle()
    expect(page.locator("#txt2img_generate")).to_be_visible()
    page.wait_for_timeout(500)
    assert server.backend.jobs.current() is None


def test_styles_are_written_in_a_dialog(page: Page, server: PageServer) -> None:
    page.fill(BOX, "a cat")
    page.click("#txt2img_styles_edit_button")
    dialog = page.locator("#styles_dialog")
    dialog.locator("[name=name]").fill("Oil")
    dialog.get_by_role("button", name="Copy from the form").click()
    expect(dialog.locator("[name=prompt]")).to_have_value("a cat")
    dialog.locator("[name=prompt]").fill("oil painting of {prompt}")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    page.click("#txt2img_styles input")
    page.get_by_role("option", name="Oil").click()
    page.click("#txt2img_style_apply")
    expect(page.locator(BOX)).to_have_value("oil painting of a cat")
    page.click("#txt2img_styles_edit_button")
    dialog.locator("[name=name]").fill("Oil")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_be_hidden()
    assert "Oil" not in server.backend.paths.styles_file.read_text()
