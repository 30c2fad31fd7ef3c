"""The routes behind the page's cards."""

import io
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.frontends.backend import Backend
from modules.library.kinds import ModelKind
from tests.library.model_data import CHECKPOINT, EMBEDDING, put_lora
from tests.safetensors_headers import write_header


@pytest.fixture(autouse=True)
def models(data: Path) -> None:
    """Put models of all kinds into the data folder."""
    put_lora(data, "people/anna", {"ss_output_name": "Anna", "ss_tag_frequency": '{"1_a": {"red hair": 9}}'})
    put_lora(data, "castle")
    write_header(data / "embeddings" / "moon.safetensors", {}, EMBEDDING)
    (data / "models" / "hypernetworks").mkdir()
    (data / "models" / "hypernetworks" / "oil.pt").write_bytes(b"PK")


def cards(client: TestClient, **query: Any) -> dict[str, Any]:
    reply = client.get("/sd_extra_networks/cards", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def names(client: TestClient, **query: Any) -> list[str]:
    return [card["name"] for card in cards(client, **query)["cards"]]


def picture(form: str = "PNG", infotext: str | None = None) -> bytes:
    packed, chunks = io.BytesIO(), PngInfo()
    if infotext:
        chunks.add_text("parameters", infotext)
    Image.new("RGB", (600, 900), "red").save(packed, form, **({"pnginfo": chunks} if form == "PNG" else {}))
    return packed.getvalue()


def send(client: TestClient, image: bytes, name: str = "castle") -> Any:
    body = {"kind": "lora", "name": name, "image": b64encode(image).decode()}
    return client.post("/sd_extra_networks/preview", json=body)


def test_cards_insert_what_a1111_inserts(client: TestClient) -> None:
    anna, castle = sorted(cards(client, kind="lora")["cards"], key=lambda card: card["label"])
    assert (anna["label"], anna["prompt"], anna["identity"]) == ("anna", "<lora:Anna:1>", "<lora:Anna:")
    assert castle["prompt"] == "<lora:castle:1>"
    (moon,) = cards(client, kind="embedding")["cards"]
    assert (moon["prompt"], moon["identity"]) == ("moon", "moon")
    (oil,) = cards(client, kind="hypernetwork")["cards"]
    assert oil["prompt"] == "<hypernet:oil:1>"
    assert {card["prompt"] for card in cards(client, kind="checkpoint")["cards"]} == {""}


def test_settings_decide_on_name_weight_and_separator(client: TestClient, backend: Backend) -> None:
    backend.settings.update(
        {
            "lora_preferred_name": "Filename",
            "extra_networks_default_multiplier": 0.7,
            "extra_networks_add_text_separator": ", ",
        },
        trusted=False,
    )
    body = {"kind": "lora", "name": "people/anna", "notes": {"activation_text": "red hair"}}
    card = client.post("/sd_extra_networks/notes", json=body).json()
    assert card["prompt"] == f"<lora:{card['name']}:0.7>, red hair"


def test_an_alias_of_two_files_is_not_written(client: TestClient, data: Path) -> None:
    put_lora(data, "people/anna-2", {"ss_output_name": "Anna"})
    assert {card["prompt"] for card in cards(client, kind="lora", search="anna")["cards"]} == {
        "<lora:anna:1>",
        "<lora:anna-2:1>",
    }


def test_search_order_folders_and_pages(client: TestClient) -> None:
    assert names(client, kind="lora", search="castle") == ["castle"]
    assert len(names(client, kind="lora", folder="people")) == 1
    assert names(client, kind="lora") == names(client, kind="lora", descending=True)[::-1]
    everything = cards(client, kind="lora", count=1)
    assert (everything["total"], len(everything["cards"]), everything["folders"]) == (2, 1, ["people"])
    assert names(client, kind="lora", start=1) == names(client, kind="lora")[1:]


@pytest.mark.parametrize("query", [{"kind": "vae"}, {"kind": "lora", "count": 501}, {"kind": "lora", "sort": "size"}])
def test_nonsense_is_refused(client: TestClient, query: dict[str, Any]) -> None:
    assert client.get("/sd_extra_networks/cards", params=query).status_code == 422


def test_files_in_wrong_folders_are_said(client: TestClient, data: Path) -> None:
    write_header(data / "models" / "Lora" / "big.safetensors", {}, CHECKPOINT)
    answer = cards(client, kind="lora")
    (sentence,) = answer["misplaced"]
    assert "big.safetensors” is a checkpoint" in sentence
    assert str(data / "models" / "Stable-diffusion") in sentence
    assert [card["warning"] for card in answer["cards"] if card["name"] == "big"] == [sentence]
    assert cards(client, kind="embedding")["misplaced"] == []


def test_while_files_are_read_that_is_said(
    client: TestClient, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_: ModelKind) -> tuple[int, int]:
        return 3, 10

    monkeypatch.setattr(backend.library, "progress", busy)
    answer = cards(client, kind="lora")
    assert (answer["reading"], answer["cards"]) == ([3, 10], [])


def test_notes_are_kept_beside_the_file_as_a1111_does(client: TestClient, data: Path) -> None:
    notes = {
        "preferred_weight": 0.6,
        "activation_text": "anna, red hair",
        "negative_text": "blond",
        "sd_version": "SD1",
    }
    body = {"kind": "lora", "name": "anna", "notes": notes}
    card = client.post("/sd_extra_networks/notes", json=body).json()
    assert (card["prompt"], card["negative_prompt"]) == ("<lora:Anna:0.6> anna, red hair", "blond")
    written = json.loads((data / "models" / "Lora" / "people" / "anna.json").read_text())
    assert written == {
        "sd version": "SD1",
        "activation text": "anna, red hair",
        "preferred weight": 0.6,
        "negative text": "blond",
    }
    details = client.get("/sd_extra_networks/details", params={"kind": "lora", "name": "anna"}).json()
    assert details["notes"] == {"description": "", "notes": "", "vae": ""} | notes


def test_details(client: TestClient) -> None:
    said = client.get("/sd_extra_networks/details", params={"kind": "lora", "name": "anna"}).json()
    assert (said["kind"], said["algorithm"], said["rank"], said["family"]) == ("lora", "LoRA", 4, "SD 1.x")
    assert said["tags"] == [["red hair", 9]]
    assert said["file"] == "people/anna.safetensors"
    assert client.get("/sd_extra_networks/details", params={"kind": "lora", "name": "nobody"}).status_code == 404


def test_metadata_as_a1111_gives_it(client: TestClient) -> None:
    reply = client.get("/sd_extra_networks/metadata", params={"page": "lora", "item": "anna"}).json()
    assert json.loads(reply["metadata"])["ss_output_name"] == "Anna"
    assert client.get("/sd_extra_networks/metadata", params={"page": "lora", "item": "nobody"}).json() == {}


def test_a_preview_is_kept_with_its_infotext_and_shown_small(client: TestClient, data: Path) -> None:
    assert client.get("/sd_extra_networks/thumb", params={"kind": "lora", "name": "castle"}).status_code == 404
    image = picture(infotext="a castle\nSteps: 5")
    card = send(client, image).json()
    assert (data / "models" / "Lora" / "castle.png").read_bytes() == image
    reply = client.get("/sd_extra_networks/thumb", params={"kind": "lora", "name": "castle", "v": card["preview"]})
    assert "immutable" in reply.headers["cache-control"]
    with Image.open(io.BytesIO(reply.content)) as small:
        assert (small.format, small.size) == ("WEBP", (256, 384))


def test_another_preview_has_another_version(client: TestClient) -> None:
    first = send(client, picture()).json()["preview"]
    assert send(client, picture("JPEG")).json()["preview"] != first


@pytest.mark.parametrize("image", [b"", b"no picture", picture()[:-100]])
def test_only_pictures_become_previews(client: TestClient, data: Path, image: bytes) -> None:
    assert send(client, image).status_code == 422
    assert not (data / "models" / "Lora" / "castle.png").exists()


def test_damaged_previews_are_said(client: TestClient, data: Path) -> None:
    (data / "models" / "Lora" / "castle.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    client.post("/sd_extra_networks/refresh", params={"kind": "lora"})
    reply = client.get("/sd_extra_networks/thumb", params={"kind": "lora", "name": "castle"})
    assert reply.status_code == 422
    assert "castle.png" in reply.json()["detail"]


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "castle.png", "..", ""])
def test_only_names_of_models_lead_to_files(client: TestClient, name: str, tmp_path: Path) -> None:
    for route in ("thumb", "details"):
        assert client.get(f"/sd_extra_networks/{route}", params={"kind": "lora", "name": name}).status_code == 404
    before = sorted(tmp_path.rglob("*"))
    assert send(client, picture(), name).status_code == 404
    assert sorted(tmp_path.rglob("*")) == before


def test_refresh_finds_new_files_and_notes(client: TestClient, data: Path) -> None:
    names(client, kind="lora")
    (data / "models" / "Lora" / "castle.json").write_text('{"activation text": "on a hill"}')
    assert client.post("/sd_extra_networks/refresh", params={"kind": "lora"}).status_code == 200
    assert cards(client, kind="lora", search="castle")["cards"][0]["prompt"] == "<lora:castle:1> on a hill"


def test_an_embedding_that_is_a_picture_is_not_replaced_by_its_preview(client: TestClient, data: Path) -> None:
    own = picture()
    (data / "embeddings" / "face.png").write_bytes(own)
    client.post("/sd_extra_networks/refresh", params={"kind": "embedding"})
    body = {"kind": "embedding", "name": "face", "image": b64encode(picture("JPEG")).decode()}
    assert client.post("/sd_extra_networks/preview", json=body).status_code == 200
    assert (data / "embeddings" / "face.png").read_bytes() == own
    assert (data / "embeddings" / "face.preview.png").exists()


def test_a_name_that_would_be_more_than_a_name_is_not_written(client: TestClient, data: Path) -> None:
    put_lora(data, "odd", {"ss_output_name": "evil:1> {x} <lora:b"})
    assert cards(client, kind="lora", search="odd")["cards"][0]["prompt"] == "<lora:odd:1>"


def test_notes_of_other_programs_are_shown_whatever_they_say(client: TestClient, data: Path) -> None:
    (data / "models" / "Lora" / "castle.json").write_text('{"sd version": "Stable Diffusion 1.5, or nearly so"}')
    client.post("/sd_extra_networks/refresh", params={"kind": "lora"})
    reply = client.get("/sd_extra_networks/details", params={"kind": "lora", "name": "castle"})
    assert reply.json()["notes"]["sd_version"] == "Stable Diffusion 1.5, or nearly so"
