"""The route behind the PNG Info tab."""

import io
import json
from base64 import b64encode
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.imaging.test_foreign_comfy import default_graph
from tests.imaging.test_foreign_infotext import FOOOCUS, NOVELAI

URL = "/internal/png-info"
INFOTEXT = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, Seed: 1, Size: 64x128, Hires resize: 128x256"


def png(**texts: str) -> str:
    chunks, file = PngInfo(), io.BytesIO()
    for key, text in texts.items():
        chunks.add_text(key, text)
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=chunks)
    return b64encode(file.getvalue()).decode()


def read(client: TestClient, **texts: str) -> dict[str, Any]:
    reply = client.post(URL, json={"image": png(**texts)})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_an_infotext_is_told_with_its_fields(client: TestClient) -> None:
    said = read(client, parameters=INFOTEXT, note="mine")
    assert (said["program"], said["info"], said["mapped"]) == ("", INFOTEXT, [])
    assert said["fields"] == [
        ["Prompt", "a cat"],
        ["Negative prompt", "dog"],
        ["Steps", "20"],
        ["Sampler", "Euler"],
        ["Seed", "1"],
        ["Size", "64x128"],
        ["Hires resize", "128x256"],
    ]
    assert said["items"] == {"note": "mine"}


def test_a_graph_of_comfyui_becomes_an_infotext(client: TestClient) -> None:
    graph = json.dumps(default_graph())
    said = read(client, prompt=graph)
    assert said["program"] == "ComfyUI"
    assert said["info"].startswith("a glass bottle, (galaxy:1.2)\nNegative prompt: text, watermark\nSteps: 20,")
    assert {"source": "cfg", "value": "8", "target": "CFG scale", "how": "mapped", "note": ""} in said["mapped"]
    assert said["items"] == {"prompt": graph}


def test_json_in_the_place_of_an_infotext(client: TestClient) -> None:
    said = read(client, parameters=json.dumps(FOOOCUS), fooocus_scheme="fooocus")
    assert (said["program"], said["fields"][2]) == ("Fooocus", ["Steps", "30"])
    assert "parameters" in said["items"]
    assert read(client, Software="NovelAI", Description="x", Comment=json.dumps(NOVELAI))["program"] == "NovelAI"


def test_a_graph_of_comfyui_in_webp(client: TestClient) -> None:
    file, exif, graph = io.BytesIO(), Image.Exif(), json.dumps(default_graph())
    exif[0x0110], exif[0x010F] = f"prompt:{graph}", 'workflow:{"nodes": []}'
    Image.new("RGB", (8, 8)).save(file, "WEBP", exif=exif)
    said = client.post(URL, json={"image": b64encode(file.getvalue()).decode()}).json()
    assert said["program"] == "ComfyUI"
    assert said["items"] == {"prompt": graph, "workflow": '{"nodes": []}'}


def test_a_prompt_alone_has_no_fields(client: TestClient) -> None:
    said = read(client, parameters="only a prompt")
    assert (said["info"], said["fields"]) == ("only a prompt", [])


def test_a_picture_that_says_nothing(client: TestClient) -> None:
    assert read(client) == {"program": "", "info": "", "fields": [], "mapped": [], "items": {}}


def test_texts_that_utf8_cannot_say_do_not_stop_the_answer(client: TestClient) -> None:
    graph = default_graph()
    graph["6"]["inputs"]["text"] = "\ud800 cat"
    assert read(client, prompt=json.dumps(graph))["fields"][0] == ["Prompt", "? cat"]


@pytest.mark.parametrize("image", ["no base64!", b64encode(b"no picture").decode(), ""])
def test_what_is_no_picture_gets_a_sentence(client: TestClient, image: str) -> None:
    reply = client.post(URL, json={"image": image})
    assert reply.status_code == 422
    assert "picture" in reply.json()["detail"]
