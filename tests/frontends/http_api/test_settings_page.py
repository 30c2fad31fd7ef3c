"""The routes behind the page's Settings tab."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.core.settings import Settings, setting_names
from modules.frontends.backend import Backend

URL = "/internal/settings"


def described(client: TestClient) -> dict[str, dict[str, Any]]:
    reply = client.get(URL)
    assert reply.status_code == 200, reply.text
    return {setting["name"]: setting for section in reply.json() for setting in section["settings"]}


def refused(client: TestClient, **changes: Any) -> dict[str, str]:
    reply = client.post(URL, json={"changes": changes})
    assert reply.status_code == 200, reply.text
    return reply.json()["refused"]


def test_every_setting_is_described(client: TestClient) -> None:
    settings = described(client)
    assert settings.keys() == setting_names()
    for name, setting in settings.items():
        assert setting["label"] == Settings.model_fields[name].description
    kinds = {name: settings[name]["kind"] for name in ("samples_save", "n_rows", "s_churn", "emphasis")}
    assert kinds == {"samples_save": "flag", "n_rows": "whole", "s_churn": "number", "emphasis": "choice"}
    assert settings["img2img_background_color"]["kind"] == "colour"
    assert settings["samples_filename_pattern"]["kind"] == "text"
    assert (settings["n_rows"]["minimum"], settings["n_rows"]["maximum"]) == (-1, 64)
    assert (settings["rho"]["minimum"], settings["rho"]["maximum"]) == (0, None)
    assert settings["emphasis"]["choices"] == ["None", "Ignore", "Original", "No norm"]


def test_choices_of_files_are_those_that_there_are(client: TestClient, backend: Backend, data: Path) -> None:
    (data / "models" / "VAE").mkdir()
    (data / "models" / "VAE" / "clear.safetensors").write_bytes(b"x")
    backend.settings.update({"sd_vae": "gone.pt"}, trusted=True)
    settings = described(client)
    assert settings["sd_vae"]["choices"] == ["Automatic", "None", "clear.safetensors", "gone.pt"]
    assert settings["sd_vae"]["value"] == "gone.pt"
    assert settings["upscaler_for_img2img"]["choices"] == ["None", "Lanczos", "Nearest"]
    assert settings["upscaler_for_img2img"]["value"] == settings["upscaler_for_img2img"]["default"] == "None"


def test_values_and_defaults(client: TestClient, backend: Backend) -> None:
    backend.settings.update({"n_rows": 3}, trusted=True)
    setting = described(client)["n_rows"]
    assert (setting["value"], setting["default"]) == (3, -1)


def test_changes_are_written(client: TestClient, backend: Backend) -> None:
    assert refused(client, n_rows=2, samples_save=False) == {}
    assert backend.settings.snapshot().n_rows == 2
    assert json.loads(backend.paths.settings_file.read_text("utf-8")) == {"n_rows": 2, "samples_save": False}


def test_each_wrong_value_is_named_and_nothing_changes(client: TestClient, backend: Backend) -> None:
    wrong = refused(client, n_rows=99, jpeg_quality="", samples_save=False, outdir_grids="/etc", nonsense=1)
    assert wrong.keys() == {"n_rows", "jpeg_quality", "outdir_grids", "nonsense"}
    assert "64" in wrong["n_rows"]
    assert "data folder" in wrong["outdir_grids"]
    assert not backend.paths.settings_file.exists()


def test_the_checkpoint_is_left_to_the_top_of_the_page(client: TestClient) -> None:
    assert described(client)["sd_model_checkpoint"]["fixed"]
    assert refused(client, sd_model_checkpoint="tiny").keys() == {"sd_model_checkpoint"}


@pytest.mark.parametrize("body", [{}, {"changes": []}, []])
def test_other_bodies(client: TestClient, body: Any) -> None:
    assert client.post(URL, json=body).status_code == 422


def test_output_folders_say_where_they_may_be(client: TestClient, backend: Backend) -> None:
    notes = {section["label"]: section["note"] for section in client.get(URL).json()}
    assert str(backend.paths.data) in notes.pop("Paths for saving")
    assert not any(notes.values())
