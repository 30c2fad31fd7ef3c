"""Fields that this version does not act on: refused where they would change the picture, else accepted."""

from base64 import b64encode
from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.frontends.http_api.unsupported import UNSUPPORTED
from tests.frontends.http_api.fakes import PaintingRunner

SMALL = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64}
PICTURE = b64encode(b"a picture").decode()
URLS = {
    "/sdapi/v1/txt2img": SMALL,
    "/sdapi/v1/img2img": SMALL | {"init_images": [PICTURE], "mask": PICTURE},
}

ACTING: dict[str, tuple[Any, ...]] = {
    "restore_faces": (True,),
    "latent_mask": (PICTURE,),
    "script_name": ("x/y/z plot",),
    "alwayson_scripts": (
        {"ADetailer": {"args": [True, {"ad_model": "face"}]}},
        {"ADetailer": {"args": [{"ad_model": "face"}]}},
        {"controlnet": {"args": [{"enabled": False}, {"enabled": True}]}},
        {"Unheard of": [1]},
        {"Unheard of": {"args": "all"}},
    ),
}
ACTS = [(field, value) for field, values in ACTING.items() for value in values]

IDLE: dict[str, Any] = {
    "restore_faces": False,
    "latent_mask": "",
    "script_name": "None",
    "script_args": [],
    "alwayson_scripts": {
        "ControlNet": {"args": []},
        "Nothing": {},
        "ADetailer": {"args": [False, True, {}]},
        "controlnet": {"args": [{"enabled": False, "model": "x"}]},
        "Soft Inpainting": {"args": [False]},
    },
    "infotext": "",
    "comments": {"a": "b"},
    "unknown_field": 1,
    # settings of passes and checkpoints that are not asked for
    "denoising_strength": 0.7,
    "hr_scale": 2,
    "hr_upscaler": "Latent",
    "hr_second_pass_steps": 20,
    "refiner_checkpoint": "None",
    "refiner_switch_at": 0.8,
}


def test_every_unsupported_field_has_its_test() -> None:
    assert set(ACTING) == set(UNSUPPORTED)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(("field", "value"), ACTS)
def test_what_would_change_the_picture_is_refused_by_name(
    client: TestClient, runner: PaintingRunner, url: str, field: str, value: Any
) -> None:
    reply = client.post(url, json=URLS[url] | {field: value})
    if field == "latent_mask" and "txt2img" in url:  # a field of img2img alone
        assert reply.status_code == 200
        return
    assert reply.status_code == 422
    assert reply.json()["error"] == "UnsupportedFeature"
    assert field in reply.json()["detail"]
    assert runner.jobs == []


@pytest.mark.parametrize("url", URLS)
def test_what_says_nothing_is_accepted(client: TestClient, url: str) -> None:
    assert client.post(url, json=URLS[url] | IDLE).status_code == 200
    assert client.post(url, json=URLS[url] | dict.fromkeys(IDLE)).status_code == 200


def test_soft_inpainting_is_no_unsupported_script(client: TestClient) -> None:
    soft = {"alwayson_scripts": {"Soft inpainting": {"args": [True]}}}
    assert client.post("/sdapi/v1/img2img", json=URLS["/sdapi/v1/img2img"] | soft).status_code == 200
