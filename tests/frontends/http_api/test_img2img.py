"""`POST /sdapi/v1/img2img` as A1111's clients know it; what its fields mean is in `test_generation_body`."""

import io
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image

from modules.core.parameters import Img2Img
from modules.imaging.png import encode_png
from tests.frontends.http_api.fakes import PaintingRunner

PICTURE = b64encode(encode_png(Image.new("RGB", (64, 64), "red"), None)).decode()
SMALL = {"prompt": "a cat", "steps": 2, "seed": 7, "width": 64, "height": 64, "init_images": [PICTURE]}


def post(client: TestClient, **fields: Any) -> Response:
    return client.post("/sdapi/v1/img2img", json=SMALL | fields)


def info(reply: Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = json.loads(reply.json()["info"])
    return told


def test_a_picture_comes_with_its_infotext_and_the_request(client: TestClient, runner: PaintingRunner) -> None:
    reply = post(client, denoising_strength=0.4, mask=PICTURE, sampler_name="Heun")
    assert set(reply.json()) == {"images", "parameters", "info"}
    assert Image.open(io.BytesIO(b64decode(reply.json()["images"][0]))).size == (64, 64)
    told = info(reply)
    assert (told["denoising_strength"], told["sampler_name"], told["all_seeds"]) == (0.4, "Heun", [7])
    parameters = reply.json()["parameters"]
    assert (parameters["denoising_strength"], parameters["resize_mode"], parameters["prompt"]) == (0.4, 0, "a cat")
    request = runner.last_request
    assert isinstance(request, Img2Img)
    assert request.images[0].data == b64decode(PICTURE)


def test_the_clients_pictures_are_sent_back_only_if_it_wants_them(client: TestClient) -> None:
    quiet = post(client, mask=PICTURE).json()["parameters"]
    assert (quiet["init_images"], quiet["mask"]) == (None, None)
    all_of_it = post(client, mask=PICTURE, include_init_images=True).json()["parameters"]
    assert (all_of_it["init_images"], all_of_it["mask"]) == ([PICTURE], PICTURE)


def test_without_a_strength_it_is_a1111s(client: TestClient) -> None:
    assert info(post(client))["denoising_strength"] == 0.75
    assert info(post(client, denoising_strength=None))["denoising_strength"] == 0.75
    assert info(post(client, denoising_strength=0))["denoising_strength"] == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"init_images": []}, ("init_images",)),
        ({"init_images": None, "mask": PICTURE}, ("init_images", "mask")),
        ({"init_images": ["no base64!"]}, ("init_images[0]",)),
        ({"init_images": ["https://example.org/cat.png"]}, ("URL",)),
        ({"resize_mode": 7}, ("resize_mode",)),
        ({"sampler_name": "DPM++ SKE Karras"}, ("Did you mean “DPM++ SDE Karras”?",)),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    client: TestClient, runner: PaintingRunner, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    reply = post(client, **fields)
    assert reply.status_code == 422
    assert reply.json()["error"] == "InvalidRequest"
    for word in words:
        assert word in reply.json()["detail"]
    assert len(reply.content) < 2000
    assert runner.jobs == []


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"init_images": [PICTURE, PICTURE]}, "init_images"),
        ({"init_images": PICTURE}, "init_images"),
        ({"mask": PICTURE, "mask_blur_x": -1}, "mask_blur_x"),
        ({"denoising_strength": 2}, "denoising_strength"),
        ({"resize_mode": "wide"}, "resize_mode"),
    ],
)
def test_bad_values_are_answered_with_the_fields_name(client: TestClient, fields: dict[str, Any], name: str) -> None:
    reply = post(client, **fields)
    assert reply.status_code == 422
    assert [entry["loc"][1] for entry in reply.json()["detail"]] == [name]
    assert len(reply.content) < 2000


def test_a_failure_has_its_status_and_sentence(client: TestClient) -> None:
    reply = post(client, prompt="fail")
    assert (reply.status_code, reply.json()["error"]) == (422, "ModelFileError")


def test_overrides_are_for_this_request_only(client: TestClient, runner: PaintingRunner) -> None:
    assert info(post(client, override_settings={"CLIP_stop_at_last_layers": 2}))["clip_skip"] == 2
    assert runner.jobs[-1].settings.CLIP_stop_at_last_layers == 2
    assert info(post(client))["clip_skip"] == 1
    assert post(client, override_settings={"no_such": 1}).status_code == 422
