"""Add-ons in the interface: lists as A1111 gives them, and what a request says of those that it named."""

import io
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument

from tests.frontends.http_api.real import real_client
from tests.recorded_add_ons import write_recorded_add_ons
from tests.recorded_checkpoint import write_recorded_checkpoint

SMALL = {"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_recorded_checkpoint(folder / "models" / "Stable-diffusion")
    write_recorded_add_ons(folder)
    save_file({"emb_params": np.zeros((3, 768), np.float32)}, folder / "embeddings" / "wide.safetensors")
    (folder / "embeddings" / "damaged.pt").write_bytes(b"no embedding")
    return folder


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[TestClient]:
    with real_client(data) as client:
        yield client


def made(client: TestClient, **fields: Any) -> tuple[bytes, dict[str, Any]]:
    """Return the picture's pixels and the info object."""
    reply = client.post("/sdapi/v1/txt2img", json=SMALL | fields)
    assert reply.status_code == 200, reply.text
    with Image.open(io.BytesIO(b64decode(reply.json()["images"][0]))) as picture:
        return picture.tobytes(), json.loads(reply.json()["info"])


def test_loras_as_a1111_lists_them(client: TestClient, data: Path) -> None:
    entries = client.get("/sdapi/v1/loras").json()
    assert [entry["name"] for entry in entries] == ["bundle", "ia3", "lin", "locon", "norm"]
    assert entries[2] == {
        "name": "lin",
        "alias": "lin",
        "path": str(data / "models" / "Lora" / "lin.safetensors"),
        "metadata": {
            "ss_output_name": "lin",
            "ss_base_model_version": "sd_v1",
            "ss_network_module": "networks.lora",
        },
    }


def test_embeddings_as_a1111_lists_them(client: TestClient) -> None:
    answer = client.get("/sdapi/v1/embeddings").json()
    untold = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None}
    assert answer == {
        "loaded": {
            "emb-diff": untold | {"shape": 64, "vectors": 1},
            "emb-pt3": untold | {"shape": 64, "vectors": 3},
            "emb-st1": untold | {"shape": 64, "vectors": 1},
        },
        "skipped": {
            "emb-wrong": untold | {"shape": 768, "vectors": 1},
            "emb-xl": untold | {"shape": 128, "vectors": 2},
            "wide": untold | {"shape": 768, "vectors": 3},
        },
    }


def test_hypernetworks_and_vaes(client: TestClient, data: Path) -> None:
    folder = data / "models" / "hypernetworks"
    names = [{"name": name, "path": str(folder / f"{name}.pt")} for name in ("hyp", "hyprelu")]
    assert client.get("/sdapi/v1/hypernetworks").json() == names
    vae = data / "models" / "VAE" / "other.vae.pt"
    vae.parent.mkdir()
    vae.write_bytes(b"")
    client.post("/sdapi/v1/refresh-vae").raise_for_status()
    assert client.get("/sdapi/v1/sd-vae").json() == [{"model_name": "other.vae.pt", "filename": str(vae)}]


@pytest.mark.parametrize("kind", ["loras", "embeddings", "vae"])
def test_lists_can_be_refreshed(client: TestClient, kind: str) -> None:
    assert client.post(f"/sdapi/v1/refresh-{kind}").status_code == 200


def test_a_checkpoint_can_be_unloaded_and_loaded_again(client: TestClient) -> None:
    before, _ = made(client)
    assert client.post("/sdapi/v1/unload-checkpoint").json() == {}
    assert client.post("/sdapi/v1/reload-checkpoint").json() == {}
    assert made(client)[0] == before


def test_a_lora_changes_the_picture_and_nothing_else(client: TestClient) -> None:
    plain, _ = made(client)
    changed, info = made(client, prompt="a cat <lora:lin:0.8>")
    assert changed != plain
    assert info["extra_generation_params"]["Lora hashes"] == "lin: 188cfaec47e9"
    assert made(client)[0] == plain


def test_a_lora_in_any_spelling(client: TestClient) -> None:
    same, _ = made(client, prompt="a cat <lora:lin:0.8>")
    assert made(client, prompt="a cat <Lora: LIN :0.8>")[0] == same
    assert made(client, prompt="a cat <lyco:lin:0.8>")[0] == same


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a cat <lora:lim:0.8>", "There is no LoRA called “lim”. Did you mean lin?"),
        ("a cat <lora:lin:much>", "“much” is no weight"),
        ("a cat <hypernet:nope:1>", "There is no hypernetwork called “nope”"),
        ("a cat <embed:x:1>", "<embed:…> is no kind of network"),
        ("a cat wide", "embedding “wide.safetensors” is for another kind of model"),
    ],
)
def test_what_cannot_be_used_is_said_and_left_out(client: TestClient, prompt: str, said: str) -> None:
    plain, _ = made(client, prompt=prompt.partition("<")[0], disable_extra_networks=True)
    picture, info = made(client, prompt=prompt)
    assert picture == plain
    assert any(said in note for note in info["notes"]), info["notes"]
