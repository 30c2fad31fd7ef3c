"""Cards of models in a real browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser_tools import open_page
from tests.frontends.gradio_ui.page_server import PageServer, write_checkpoint
from tests.library.model_data import CHECKPOINT, EMBEDDING, put_lora
from tests.safetensors_headers import write_header

pytestmark = pytest.mark.browser

MANY = 2000
PROMPT = "#txt2img_prompt textarea"
NEGATIVE = "#txt2img_neg_prompt textarea"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards")
    for name in ("alpha.safetensors", "gamma.safetensors"):
        write_checkpoint(folder, name)
    put_lora(folder, "people/anna", {"ss_output_name": "Anna", "ss_tag_frequency": '{"1": {"red hair": 3}}'})
    Image.new("RGB", (64, 96), "teal").save(folder / "models" / "Lora" / "people" / "anna.png")
    for number in range(MANY):
        put_lora(folder, f"many/style {number}")
    write_header(folder / "models" / "Lora" / "big.safetensors", {}, CHECKPOINT)
    write_header(folder / "embeddings" / "moon.safetensors", {}, EMBEDDING)
    return folder


@pytest.fixture(scope="module")
def card_server(data: Path) -> Iterator[PageServer]:
    server = PageServer(data)
    yield server
    server.stop()


@pytest.fixture
def page(context: BrowserContext, card_server: PageServer, complaints: list[str]) -> Page:
    return open_page(context, card_server.url, complaints)


def cards(page: Page, tab: str, kind: str) -> Locator:
    """Open a tab of cards and wait for the first one."""
    page.get_by_role("tab", name=tab, exact=True).click()
    pane = page.locator(f"[data-cards={kind}]")
    expect(pane.locator(".model-card-label").first).not_to_be_empty()
    return pane


def search(pane: Locator, text: str) -> None:
    pane.locator(".cards-search").fill(text)


def card(pane: Locator, label: str) -> Locator:
    return pane.locator(".model-card", has=pane.page.get_by_text(label, exact=True))


def press(pane: Locator, label: str) -> None:
    card(pane, label).locator(".model-card-main").click()


def test_a_click_puts_a_lora_into_the_prompt_and_another_takes_it_out(page: Page, complaints: list[str]) -> None:
    page.fill(PROMPT, "a portrait")
    pane = cards(page, "Lora", "lora")
    search(pane, "anna")
    press(pane, "anna")
    expect(page.locator(PROMPT)).to_have_value("a portrait <lora:Anna:1>")
    expect(card(pane, "anna").locator(".model-card-main")).to_have_attribute("aria-pressed", "true")
    page.fill(PROMPT, "a portrait <lora:Anna:0.6>, smiling")  # another weight is the same LoRA
    press(pane, "anna")
    expect(page.locator(PROMPT)).to_have_value("a portrait, smiling")
    expect(card(pane, "anna").locator(".model-card-main")).to_have_attribute("aria-pressed", "false")
    assert complaints == []


def test_embeddings_go_where_the_person_was_writing(page: Page) -> None:
    page.click(NEGATIVE)
    pane = cards(page, "Textual Inversion", "embedding")
    press(pane, "moon")
    expect(page.locator(NEGATIVE)).to_have_value("moon")
    page.click(PROMPT)
    press(pane, "moon")
    expect(page.locator(NEGATIVE)).to_have_value("")
    press(pane, "moon")
    expect(page.locator(PROMPT)).to_have_value("moon")


def test_a_checkpoint_is_chosen_by_its_card(page: Page, card_server: PageServer) -> None:
    pane = cards(page, "Checkpoints", "checkpoint")
    press(pane, "gamma")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value("gamma.safetensors")
    expect(page.locator("#setting_sd_model_checkpoint input")).to_be_enabled()
    assert card_server.backend.settings.snapshot().sd_model_checkpoint == "gamma.safetensors"


def test_the_card_of_the_chosen_checkpoint_is_marked(page: Page) -> None:
    pane = cards(page, "Checkpoints", "checkpoint")
    for name in ("alpha", "gamma"):
        page.click("#setting_sd_model_checkpoint input")
        page.get_by_role("option", name=f"{name}.safetensors").click()
        expect(card(pane, name).locator(".model-card-main")).to_have_attribute("aria-pressed", "true")


def test_of_many_cards_only_those_that_are_seen_are_drawn(page: Page) -> None:
    pane = cards(page, "Lora", "lora")
    expect(pane.locator(".cards-count")).to_have_text(str(MANY + 2))
    assert pane.locator(".model-card").count() < 100
    pane.locator(".cards-scroll").evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(card(pane, "anna")).to_be_visible()  # of the last folder
    assert pane.locator(".model-card").count() < 100
    pane.locator(".cards-order").click()
    expect(card(pane, "anna")).to_be_visible()
    assert pane.locator(".cards-scroll").evaluate("element => element.scrollTop") == 0
    pane.locator(".cards-sort").select_option("Name")
    pane.locator(".cards-folder").select_option("many")
    expect(pane.locator(".cards-count")).to_have_text(str(MANY))
    search(pane, "style 1234")
    expect(card(pane, "style 1234")).to_be_visible()
    expect(pane.locator(".cards-count")).to_have_text("1")
    search(pane, "nothing like it")
    expect(pane.locator(".cards-count")).to_have_text("0")


def test_arrow_keys_go_from_card_to_card(page: Page) -> None:
    pane = cards(page, "Lora", "lora")
    pane.locator(".model-card-main").first.focus()
    for _ in range(40):
        page.keyboard.press("ArrowDown")
    focused = pane.locator(".model-card:focus-within")
    expect(focused).to_be_visible()
    assert int(focused.get_attribute("data-index") or 0) > 100
    expect(focused.locator(".model-card-label")).not_to_be_empty()
    page.keyboard.press("Enter")
    expect(page.locator(PROMPT)).to_have_value(re.compile("^<lora:style "))


def test_files_in_wrong_folders_are_said(page: Page) -> None:
    pane = cards(page, "Lora", "lora")
    expect(pane.locator(".cards-misplaced summary")).to_have_text("1 file lies in the wrong folder")
    pane.locator(".cards-misplaced summary").click()
    expect(pane.locator(".cards-misplaced li")).to_contain_text("“big.safetensors” is a checkpoint")


def test_notes_are_written_and_inserted(page: Page, data: Path) -> None:
    pane = cards(page, "Lora", "lora")
    search(pane, "anna")
    card(pane, "anna").hover()
    card(pane, "anna").locator(".model-card-edit").click()
    dialog = page.locator("#card_dialog")
    expect(dialog).to_be_visible()
    save, cancel = (dialog.get_by_role("button", name=name) for name in ("Save", "Cancel"))
    assert len({each.evaluate("button => getComputedStyle(button).backgroundColor") for each in (save, cancel)}) == 2
    dialog.get_by_role("button", name="red hair 3").click()
    expect(dialog.locator("[name=activation_text]")).to_have_value("red hair")
    dialog.locator("[name=preferred_weight]").fill("0.8")
    dialog.locator("[name=negative_text]").fill("blond")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    press(pane, "anna")
    expect(page.locator(PROMPT)).to_have_value("<lora:Anna:0.8> red hair")
    expect(page.locator(NEGATIVE)).to_have_value("blond")
    press(pane, "anna")
    expect(page.locator(PROMPT)).to_have_value("")
    expect(page.locator(NEGATIVE)).to_have_value("")
    notes = data / "models" / "Lora" / "people" / "anna.json"
    assert json.loads(notes.read_text())["preferred weight"] == 0.8
    notes.unlink()
    pane.locator(".cards-refresh").click()
    expect(pane).to_have_attribute("aria-busy", "false")
    press(pane, "anna")
    expect(page.locator(PROMPT)).to_have_value("<lora:Anna:1>")


def test_the_chosen_picture_becomes_a_preview(page: Page, data: Path) -> None:
    page.fill(PROMPT, "a hill")
    page.click("#txt2img_generate")
    expect(page.locator("#txt2img_gallery [data-testid=detailed-image]")).to_be_visible()
    pane = cards(page, "Textual Inversion", "embedding")
    card(pane, "moon").hover()
    card(pane, "moon").locator(".model-card-edit").click()
    page.get_by_role("button", name="Replace preview").click()
    expect(page.locator(".card-preview")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card(pane, "moon").locator("img")).to_be_visible()
    with Image.open(data / "embeddings" / "moon.png") as kept:
        assert kept.info["parameters"].startswith("a hill")


def test_what_cannot_be_saved_is_said_in_the_dialog(page: Page, data: Path) -> None:
    (data / "embeddings" / "moon.json").write_text("damaged")
    pane = cards(page, "Textual Inversion", "embedding")
    card(pane, "moon").hover()
    card(pane, "moon").locator(".model-card-edit").click()
    page.locator("#card_dialog [name=notes]").fill("mine")
    page.locator("#card_dialog").get_by_role("button", name="Save").click()
    expect(page.locator("#card_dialog .card-error")).to_contain_text("moon.json is damaged")
    assert (data / "embeddings" / "moon.json").read_text() == "damaged"
    (data / "embeddings" / "moon.json").unlink()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# note\n<lora:Anna:1>\na cat", "# note\na cat"),
        ("a\nBREAK\n<lora:Anna:0.5>\nb", "a\nBREAK\nb"),
        ("a, <lora:Anna:1>, b", "a, b"),
        ("<lora:Anna:1>", ""),
    ],
)
def test_taking_a_lora_out_leaves_the_rest_as_it_is(page: Page, before: str, after: str) -> None:
    pane = cards(page, "Lora", "lora")
    search(pane, "anna")
    expect(card(pane, "anna")).to_be_visible()
    page.fill(PROMPT, before)
    press(pane, "anna")
    expect(page.locator(PROMPT)).to_have_value(after)
