"""The page as it is built and served, without a browser."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from modules.frontends.backend import Backend
from modules.frontends.gradio_ui.page import build_page
from tests.frontends.gradio_ui.page_server import make_app, make_backend
from tests.safetensors_headers import PROMPTS, write_demo

A1111_IDS = [
    "setting_sd_model_checkpoint",
    "refresh_sd_model_checkpoint",
    "tabs",
    "tab_txt2img",
    "txt2img_prompt",
    "txt2img_neg_prompt",
    "txt2img_token_counter",
    "txt2img_negative_token_counter",
    "txt2img_styles",
    "txt2img_generate",
    "txt2img_interrupt",
    "txt2img_skip",
    "txt2img_generate_box",
    "txt2img_sampling",
    "txt2img_scheduler",
    "txt2img_steps",
    "txt2img_width",
    "txt2img_height",
    "txt2img_res_switch_btn",
    "txt2img_batch_count",
    "txt2img_batch_size",
    "txt2img_cfg_scale",
    "txt2img_seed",
    "txt2img_random_seed",
    "txt2img_reuse_seed",
    "txt2img_gallery",
    "txt2img_gallery_container",
    "generation_info_txt2img",
    "html_info_txt2img",
    "html_log_txt2img",
]


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    wired = make_backend(tmp_path)
    yield wired
    wired.jobs.close()


@pytest.fixture
def client(backend: Backend) -> TestClient:
    return TestClient(make_app(backend), base_url="http://127.0.0.1")


def test_the_elements_have_a1111s_ids(backend: Backend) -> None:
    ids = [block.elem_id for block in build_page(backend).blocks.values() if block.elem_id]
    assert set(A1111_IDS) <= set(ids)
    assert len(ids) == len(set(ids))


def test_labels_and_defaults_are_a1111s(backend: Backend) -> None:
    shown = {
        block.elem_id: (getattr(block, "label", None), getattr(block, "value", None))
        for block in build_page(backend).blocks.values()
    }
    assert shown["txt2img_sampling"] == ("Sampling method", "DPM++ 2M")
    assert shown["txt2img_scheduler"] == ("Schedule type", "Automatic")
    assert shown["txt2img_steps"] == ("Sampling steps", 20)
    assert shown["txt2img_width"] == ("Width", 512)
    assert shown["txt2img_height"] == ("Height", 512)
    assert shown["txt2img_batch_count"] == ("Batch count", 1)
    assert shown["txt2img_batch_size"] == ("Batch size", 1)
    assert shown["txt2img_cfg_scale"] == ("CFG Scale", 7)
    assert shown["txt2img_seed"] == ("Seed", "-1")


def test_the_page_is_built_for_the_current_checkpoint(backend: Backend) -> None:
    write_demo(backend.paths.checkpoints[0])
    shown = {block.elem_id: getattr(block, "value", None) for block in build_page(backend).blocks.values()}
    assert (shown["txt2img_width"], shown["txt2img_height"]) == (128, 128)
    assert shown["txt2img_prompt"] == PROMPTS[0]
    assert PROMPTS[1] in str(shown["txt2img_suggestions"])
    assert "Demo model" in str(shown["demo_model"])
    assert shown["checkpoint_defaults"] == shown["txt2img_followed"]


def test_gradios_own_api_offers_nothing(client: TestClient) -> None:
    assert client.get("/gradio_api/info").json() == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_the_scripts_are_served_and_belong_together(client: TestClient) -> None:
    page = client.get("/").text
    found = re.search(r"page-scripts/[0-9a-f]{12}/", page)
    assert found
    main = client.get(f"/{found[0]}main.js")
    assert main.status_code == 200
    assert "javascript" in main.headers["content-type"]
    for name in re.findall(r'from "\./(\w+\.js)"', main.text):
        assert client.get(f"/{found[0]}{name}").status_code == 200


def test_no_file_of_the_data_folder_is_readable(client: TestClient, backend: Backend) -> None:
    secret = backend.paths.data / "config.json"
    secret.write_text('{"password": 1}')
    saved = backend.paths.data / "outputs" / "a.png"
    saved.parent.mkdir()
    saved.write_bytes(b"picture")
    for path in (secret, saved, backend.paths.database):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_can_be_forced(backend: Backend, theme: str) -> None:
    flags = replace(backend.flags, theme=theme)
    client = TestClient(make_app(replace(backend, flags=flags)), base_url="http://127.0.0.1")
    assert f'<meta name="easel-theme" content="{theme}">' in client.get("/config").json()["head"]


def test_the_routes_of_the_api_go_before_the_page(client: TestClient) -> None:
    assert client.get("/docs").status_code == 200
    assert client.get("/sdapi/v1/samplers").json()[0]["name"] == "DPM++ 2M"


def test_the_page_needs_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.frontends.gradio_ui.page_server import make_app, make_backend\n"
        f"make_app(make_backend(Path({str(tmp_path)!r})))\n"
        "assert not {'torch', 'transformers', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3], timeout=120)
