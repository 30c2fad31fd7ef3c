"""The Chinese pack says all that the page says; a text that is added to the page must be added to it, too."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import gradio as gr
import pytest

from modules.core.flags import Flags
from modules.core.paths import resolve_paths
from modules.core.setting_sections import SECTIONS
from modules.core.settings import Settings
from modules.core.version import NAME, VERSION
from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.components import demo_html, no_model_html
from modules.frontends.gradio_ui.mount import SCRIPTS
from modules.frontends.gradio_ui.page import build_page
from modules.storage.localizations import find_packs, read_pack
from tests.frontends.gradio_ui.page_server import make_backend

A1111S = {
    "txt2img": "文生图",
    "img2img": "图生图",
    "Extras": "后期处理",
    "PNG Info": "PNG 图片信息",
    "Checkpoint Merger": "模型融合",
    "Train": "训练",
    "Settings": "设置",
    "Extensions": "扩展",
    "Sampling method": "采样方法",
    "CFG Scale": "提示词引导系数",
    "Denoising strength": "重绘幅度",
}

Pack = dict[str, str | bool]


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    wired = make_backend(tmp_path)
    yield wired
    wired.jobs.close()


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return read_pack(find_packs(resolve_paths(Flags(data_dir=tmp_path)))["zh_CN"])


class _Texts(HTMLParser):
    """Collects what the page's script may translate."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code = tag == "code"
        self.found |= {value for name, value in attrs if name in ("placeholder", "title", "aria-label") and value}

    def handle_endtag(self, tag: str) -> None:
        self._code = self._code and tag != "code"

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.found.add(data.strip())


def texts_of(html: str) -> set[str]:
    parser = _Texts()
    parser.feed(html)
    return parser.found


def unsaid(texts: set[str], pack: Pack) -> list[str]:
    """Those of the texts that have words and no translation."""
    return sorted(text for text in texts if re.search("[A-Za-z]", text) and text not in pack)


def test_the_terms_are_those_of_a1111s_packs(pack: Pack) -> None:
    assert {term: pack.get(term) for term in A1111S} == A1111S


def test_all_labels_hints_and_buttons_have_a_translation(backend: Backend, pack: Pack) -> None:
    texts: set[str] = set()
    for block in build_page(backend).blocks.values():
        texts |= {str(said) for name in ("label", "placeholder", "info") if (said := getattr(block, name, None))}
        if isinstance(block, gr.Button):
            texts.add(str(block.value))
        if isinstance(block, gr.Radio):
            texts |= {str(choice) for choice, *_ in block.get_config()["choices"]}
    assert len(texts) > 80
    assert unsaid(texts, pack) == []


def test_all_texts_of_our_html_have_a_translation(backend: Backend, pack: Pack) -> None:
    blocks = [block for block in build_page(backend).blocks.values() if isinstance(block, gr.HTML)]
    texts = texts_of(no_model_html("")) | texts_of(demo_html(""))
    for block in blocks:
        texts |= texts_of(str(block.value or ""))
    assert len(texts) > 100
    assert unsaid(texts - {f"{NAME} {VERSION}"}, pack) == []


def test_all_settings_and_sections_have_a_translation(pack: Pack) -> None:
    descriptions = {field.description or name for name, field in Settings.model_fields.items()}
    assert unsaid(descriptions | {section.label for section in SECTIONS}, pack) == []


def test_what_the_scripts_say_has_a_translation(pack: Pack) -> None:
    said = re.compile(r'(?:toast\(|(?:textContent|title|placeholder) = |textContent: )"([^"]+)"')
    texts = {text for path in SCRIPTS.glob("*.js") for text in said.findall(path.read_text(encoding="utf-8"))}
    assert texts
    assert unsaid(texts, pack) == []


def test_a_translation_has_the_places_of_its_text(pack: Pack) -> None:
    for text, said in pack.items():
        assert re.findall(r"\{n?\}", text) == re.findall(r"\{n?\}", str(said)), text
        assert text == text.strip()
