"""The Settings tab in a real browser."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.frontends.gradio_ui.page_server import PageServer
from tests.frontends.gradio_ui.test_contrast import faint_texts

pytestmark = pytest.mark.browser


@pytest.fixture
def settings(page: Page, server: PageServer) -> Page:
    """The page with the tab open, nothing of which was there before."""
    server.backend.settings.update({"jpeg_quality": 80, "n_rows": -1, "grid_save": True}, trusted=True)
    assert page.locator("#settings_page").count() == 0
    page.get_by_role("tab", name="Settings", exact=True).click()
    expect(page.locator("#setting_samples_save")).to_be_visible()
    return page


def control(page: Page, name: str) -> Locator:
    return page.locator(f"#setting_{name}_control")


def test_only_what_was_changed_is_applied_and_said(settings: Page, server: PageServer, complaints: list[str]) -> None:
    apply = settings.locator("#settings_submit")
    expect(apply).to_be_disabled()
    settings.get_by_label("Quality of JPEG, WebP and AVIF images", exact=True).fill("70")
    control(settings, "grid_save").uncheck()
    expect(settings.locator(".settings-status")).to_have_text("2 changes are not applied yet")
    with settings.expect_request("**/internal/settings") as sent:
        apply.click()
    assert sent.value.post_data_json == {"changes": {"jpeg_quality": 70, "grid_save": False}}
    expect(settings.locator("#easel_toasts")).to_contain_text("Quality of JPEG")
    expect(apply).to_be_disabled()
    now = server.backend.settings.snapshot()
    assert (now.jpeg_quality, now.grid_save) == (70, False)
    row = settings.locator("#setting_jpeg_quality")
    row.get_by_role("button", name="Reset").click()
    expect(control(settings, "jpeg_quality")).to_have_value("80")
    expect(row.get_by_role("button", name="Reset")).to_be_hidden()
    assert complaints == []


def test_a_value_that_does_not_fit_is_said_beside_its_field(settings: Page, server: PageServer) -> None:
    control(settings, "jpeg_quality").fill("500")
    control(settings, "n_rows").fill("2")
    settings.get_by_role("button", name="VAE", exact=True).click()
    settings.locator("#settings_submit").click()
    expect(settings.locator("#setting_jpeg_quality .setting-error")).to_contain_text("100")
    expect(control(settings, "jpeg_quality")).to_be_focused()
    assert server.backend.settings.snapshot().n_rows == -1


def test_settings_are_found_by_words_and_keys(settings: Page) -> None:
    shown = settings.locator(".setting:visible")
    settings.fill("#settings_search", "ddim eta")
    expect(shown).to_have_count(1)
    settings.fill("#settings_search", "CLIP_stop")
    expect(shown.locator(".setting-label")).to_have_text("Clip skip")
    settings.fill("#settings_search", "nothing like it")
    expect(settings.locator(".settings-nothing")).to_be_visible()
    settings.fill("#settings_search", "")
    settings.get_by_role("button", name="Live previews").click()
    expect(shown).to_have_count(2)
    settings.locator("#settings_show_all_pages").click()
    expect(settings.locator("#setting_samples_save")).to_be_visible()
    expect(settings.locator("#setting_beta_dist_beta")).to_be_attached()
    assert faint_texts(settings) == []


def test_the_checkpoint_is_left_to_the_top_of_the_page(settings: Page) -> None:
    settings.fill("#settings_search", "sd_model_checkpoint")
    expect(control(settings, "sd_model_checkpoint")).to_be_disabled()
    expect(settings.locator(".setting-note:visible")).to_contain_text("top of the page")
    expect(settings.locator("#setting_sd_model_checkpoint")).to_have_count(1)


def test_what_was_changed_elsewhere_is_seen_when_the_tab_is_opened_again(settings: Page, server: PageServer) -> None:
    settings.get_by_role("tab", name="txt2img", exact=True).click()
    server.backend.settings.update({"n_rows": 5}, trusted=True)
    settings.get_by_role("tab", name="Settings", exact=True).click()
    expect(control(settings, "n_rows")).to_have_value("5")
