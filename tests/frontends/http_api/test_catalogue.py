"""The lists that clients fill their menus with."""

from pathlib import Path

from fastapi.testclient import TestClient

from modules.core.samplers import SAMPLERS, SCHEDULERS
from modules.frontends.backend import Backend
from tests.frontends.http_api.recorded import a1111_answers


def test_checkpoints_as_a1111_lists_them(client: TestClient, backend: Backend, data: Path) -> None:
    models = client.get("/sdapi/v1/sd-models").json()
    assert [model["title"] for model in models] == ["broken.safetensors", "other.safetensors", "tiny.safetensors"]
    assert list(models[0]) == list(a1111_answers()["sd_model"])
    assert (models[2]["model_name"], models[2]["hash"], models[2]["sha256"]) == ("tiny", None, None)
    assert models[2]["filename"] == str(data / "models" / "Stable-diffusion" / "tiny.safetensors")
    backend.checkpoints.hashed(backend.checkpoints.find("tiny"))
    known = client.get("/sdapi/v1/sd-models").json()[2]
    assert known["title"] == f"tiny.safetensors [{known['hash']}]"
    assert known["sha256"].startswith(known["hash"])


def test_new_files_are_found_by_refreshing(client: TestClient, data: Path) -> None:
    folder = data / "models" / "Stable-diffusion"
    assert len(client.get("/sdapi/v1/sd-models").json()) == 3
    (folder / "sub").mkdir()
    (folder / "sub" / "new.safetensors").write_bytes(b"new")
    (folder / "sub" / "new.yaml").write_text("model: {}")
    reply = client.post("/sdapi/v1/refresh-checkpoints")
    assert (reply.status_code, reply.json()) == (200, None)
    new = client.get("/sdapi/v1/sd-models").json()[2]
    assert (new["title"], new["model_name"]) == ("sub/new.safetensors", "sub_new")
    assert new["config"] == str(folder / "sub" / "new.yaml")


def test_samplers_as_a1111_lists_them(client: TestClient) -> None:
    samplers = {sampler["name"]: sampler for sampler in client.get("/sdapi/v1/samplers").json()}
    assert list(samplers) == [info.name for info in SAMPLERS]
    for theirs in a1111_answers()["samplers"]:
        assert samplers[theirs["name"]] == theirs
    # since 1.9 the schedule is an option of the bare sampler
    assert samplers["DPM++ 2M"] == {
        "name": "DPM++ 2M",
        "aliases": ["k_dpmpp_2m"],
        "options": {"scheduler": "karras"},
    }


def test_schedulers(client: TestClient) -> None:
    schedulers = client.get("/sdapi/v1/schedulers").json()
    assert [entry["label"] for entry in schedulers] == [info.label for info in SCHEDULERS]
    assert {
        "name": "karras",
        "label": "Karras",
        "aliases": None,
        "default_rho": 7.0,
        "need_inner_model": False,
    } in schedulers


def test_styles(client: TestClient, data: Path) -> None:
    assert client.get("/sdapi/v1/prompt-styles").json() == []
    theirs = a1111_answers()["prompt_styles"]
    rows = [f'"{style["name"]}","{style["prompt"]}","{style["negative_prompt"]}"' for style in theirs]
    (data / "styles.csv").write_text("name,prompt,negative_prompt\n" + "\n".join(rows))
    assert client.get("/sdapi/v1/prompt-styles").json() == theirs


def test_upscalers_as_a1111_lists_them(client: TestClient) -> None:
    assert client.get("/sdapi/v1/upscalers").json() == a1111_answers()["upscalers_without_model"]
    assert client.get("/sdapi/v1/latent-upscale-modes").json() == a1111_answers()["latent_upscale_modes"]


A1111_INTERNAL = {"/internal/progress", "/internal/pending-tasks", "/internal/ping"}


def test_the_description_of_the_interface_lists_every_route(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {
        "/sdapi/v1/txt2img",
        "/sdapi/v1/img2img",
        "/sdapi/v1/progress",
        "/sdapi/v1/interrupt",
        "/sdapi/v1/skip",
        "/sdapi/v1/options",
        "/sdapi/v1/sd-models",
        "/sdapi/v1/samplers",
        "/sdapi/v1/schedulers",
        "/sdapi/v1/upscalers",
        "/sdapi/v1/latent-upscale-modes",
        "/sdapi/v1/cmd-flags",
        "/sdapi/v1/refresh-checkpoints",
        "/sdapi/v1/memory",
        "/sdapi/v1/prompt-styles",
        "/sdapi/v1/png-info",
        "/sdapi/v1/prompt-info",
        "/sdapi/v1/loras",
        "/sdapi/v1/refresh-loras",
        "/sdapi/v1/embeddings",
        "/sdapi/v1/refresh-embeddings",
        "/sdapi/v1/hypernetworks",
        "/sdapi/v1/sd-vae",
        "/sdapi/v1/refresh-vae",
        "/sdapi/v1/unload-checkpoint",
        "/sdapi/v1/reload-checkpoint",
        "/internal/progress",
        "/internal/pending-tasks",
        "/internal/ping",
    } == {path for path in paths if path.startswith("/sdapi/") or path in A1111_INTERNAL}
    assert {path.split("/")[2] for path in paths if path.startswith("/internal/") and path not in A1111_INTERNAL} == {
        "history",
        "localization",
        "png-info",
        "queue",
        "settings",
        "styles",
        "uploads",
    }
    assert {path.rpartition("/")[2] for path in paths if path.startswith("/sd_extra_networks/")} == {
        "card",
        "cards",
        "details",
        "metadata",
        "notes",
        "preview",
        "refresh",
        "thumb",
    }
    assert all(operation["description"] for path in paths.values() for operation in path.values())
