"""Every text on the page can be read: contrast with what is behind it is at least 4.5:1 (WCAG 2.2, 1.4.3)."""

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser_tools import open_page
from tests.frontends.gradio_ui.page_server import PageServer

pytestmark = pytest.mark.browser

FAINT_TEXTS = """() => {
  const parse = (color) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let box = element; box; box = box.parentElement) {
      const [r, g, b, a] = parse(getComputedStyle(box).backgroundColor);
      if (a > 250) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const isText = (node) => node.nodeType === Node.TEXT_NODE;
  const ownText = (element) =>
    element.value || [...element.childNodes].filter(isText).map((node) => node.data).join("").trim();
  const faint = [];
  for (const element of document.querySelectorAll("gradio-app *")) {
    const style = getComputedStyle(element);
    const text = ownText(element);
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || style.fontSize === "0px") continue;
    if (["range", "checkbox", "radio"].includes(element.type) || element.closest("[aria-hidden=true]")) continue;
    const [one, two] = [luminance(parse(style.color).slice(0, 3)), luminance(behind(element))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < 4.5) faint.push(`${element.tagName} "${String(text).slice(0, 40)}" ${contrast.toFixed(2)}`);
  }
  return faint;
}"""


def faint_texts(page: Page) -> list[str]:
    """Return the texts that cannot be read well, in the light and in the dark."""
    faint: list[str] = []
    for _ in range(2):
        page.click("#footer [data-action=toggle-theme]")
        page.wait_for_timeout(800)  # colours change gradually
        faint += page.evaluate(FAINT_TEXTS)
    return faint


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_can_be_read(context: BrowserContext, server: PageServer, *, dark: bool) -> None:
    page = open_page(context, server.url)
    if dark:
        page.click("#footer [data-action=toggle-theme]")
    server.gate.shut()
    page.fill("#txt2img_prompt textarea", "please fail")
    page.click("#txt2img_generate")
    page.wait_for_timeout(800)  # colours change gradually
    running: list[str] = page.evaluate(FAINT_TEXTS)
    server.gate.open()
    page.wait_for_selector("#html_log_txt2img [role=alert]")
    page.click("#tabs button[role=tab]")
    page.wait_for_timeout(800)
    assert [*running, *page.evaluate(FAINT_TEXTS)] == []
