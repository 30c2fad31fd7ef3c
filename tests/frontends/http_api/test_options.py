"""The settings over HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.core.parameters import LoadCheckpoint, Txt2Img
from modules.core.settings import setting_names
from modules.frontends.backend import Backend
from tests.frontends.http_api.conftest import Until
from tests.frontends.http_api.fakes import PaintingRunner

URL = "/sdapi/v1/options"


@pytest.fixture
def stored(backend: Backend) -> Any:
    """Read what lies in the settings file."""

    def read() -> dict[str, Any]:
        file = backend.paths.settings_file
        return json.loads(file.read_text("utf-8")) if file.exists() else {}

    return read


def loaded(runner: PaintingRunner) -> list[str | None]:
    return [job.settings.sd_model_checkpoint for job in runner.jobs if isinstance(job.request, LoadCheckpoint)]


def test_all_settings_are_listed_and_the_checkpoint_that_would_be_loaded(client: TestClient) -> None:
    options = client.get(URL).json()
    assert set(options) == setting_names()
    assert options["sd_model_checkpoint"] == "broken.safetensors"


def test_a_setting_is_changed_and_kept(client: TestClient, backend: Backend, stored: Any) -> None:
    reply = client.post(URL, json={"n_rows": 4, "grid_save": False})
    assert (reply.status_code, reply.json()) == (200, None)
    assert backend.settings.snapshot().n_rows == 4
    assert client.get(URL).json()["grid_save"] is False
    assert stored() == {"n_rows": 4, "grid_save": False}


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"no_such_setting": 1}, 422, "no_such_setting"),
        ({"n_rows": "many"}, 422, "n_rows"),
        ({"n_rows": 3, "outdir_grids": "/etc"}, 422, "outdir_grids"),
        ({"n_rows": 3, "sd_model_checkpoint": "nowhere"}, 404, "nowhere"),
        ({"n_rows": 3, "sd_model_checkpoint": 5}, 422, "sd_model_checkpoint"),
        ({"n_rows": 3, "sd_model_checkpoint": "broken"}, 422, "cut off"),
    ],
)
def test_nothing_changes_unless_all_is_right(
    client: TestClient, stored: Any, changes: dict[str, Any], status: int, word: str
) -> None:
    reply = client.post(URL, json=changes)
    assert reply.status_code == status, reply.text
    assert word in reply.json()["detail"]
    assert stored() == {}


def test_a_new_checkpoint_is_loaded_before_the_answer(
    client: TestClient, backend: Backend, runner: PaintingRunner
) -> None:
    assert client.post(URL, json={"sd_model_checkpoint": "tiny"}).status_code == 200
    assert loaded(runner) == ["tiny.safetensors"]
    assert backend.settings.snapshot().sd_model_checkpoint == "tiny.safetensors"
    # the same one by another of its names is no change
    assert client.post(URL, json={"sd_model_checkpoint": "tiny.safetensors"}).status_code == 200
    assert client.post(URL, json={"sd_model_checkpoint": "tiny"}).status_code == 200
    assert loaded(runner) == ["tiny.safetensors"]


def test_the_checkpoint_that_is_first_in_the_list_can_be_chosen_for_good(client: TestClient, stored: Any) -> None:
    client.post(URL, json={"sd_model_checkpoint": "tiny"})
    client.post(URL, json={"sd_model_checkpoint": None})
    assert client.get(URL).json()["sd_model_checkpoint"] == "broken.safetensors"
    assert stored()["sd_model_checkpoint"] is None


def test_the_title_gets_its_hash_as_soon_as_that_is_known(client: TestClient, backend: Backend) -> None:
    client.post(URL, json={"sd_model_checkpoint": "tiny"})
    backend.checkpoints.hashed(backend.checkpoints.find("tiny"))
    title = client.get(URL).json()["sd_model_checkpoint"]
    assert title.startswith("tiny.safetensors [")
    assert client.post(URL, json={"sd_model_checkpoint": title}).status_code == 200


def test_a_deleted_checkpoint_is_still_named(client: TestClient, backend: Backend) -> None:
    client.post(URL, json={"sd_model_checkpoint": "tiny"})
    backend.checkpoints.find("tiny").path.unlink()
    backend.checkpoints.refresh()
    assert client.get(URL).json()["sd_model_checkpoint"] == "tiny.safetensors"


def test_loading_waits_its_turn_and_an_interrupted_one_changes_nothing(
    client: TestClient, backend: Backend, runner: PaintingRunner, until: Until
) -> None:
    backend.jobs.submit(Txt2Img(prompt="wait", steps=1))
    until(lambda: backend.jobs.current() is not None)
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(client.post, URL, json={"sd_model_checkpoint": "tiny"})
        until(lambda: len(backend.jobs.pending()) == 1)
        backend.jobs.cancel(backend.jobs.pending()[0].job.id)
        assert reply.result().status_code == 409
        assert "tiny" in reply.result().json()["detail"]
    runner.gate.release(1)
    assert backend.settings.snapshot().sd_model_checkpoint is None


def test_a_client_may_send_back_the_whole_list(client: TestClient, backend: Backend, runner: PaintingRunner) -> None:
    backend.paths.settings_file.write_text('{"their_key": "\\ud800", "n_rows": 2}', "utf-8")
    fresh = type(backend.settings)(backend.paths)
    object.__setattr__(backend, "settings", fresh)
    client.post(URL, json={"sd_model_checkpoint": "tiny"})
    options = client.get(URL)
    assert options.status_code == 200
    reply = client.post(URL, content=options.content, headers={"content-type": "application/json"})
    assert reply.status_code == 200, reply.text
    assert loaded(runner) == ["tiny.safetensors"]
