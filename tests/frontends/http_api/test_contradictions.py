"""What cannot be made is answered with 422 and one sentence, by the pipeline itself where only it can tell."""

import io
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.frontends.http_api.real import real_client
from tests.recorded_checkpoint import write_recorded_checkpoint

SMALL = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64}


def drawn(mode: str, width: int, height: int) -> str:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), "white").save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode()


PICTURE, OTHER, MASK, ODD_MASK = drawn("RGB", 64, 64), drawn("RGB", 72, 64), drawn("L", 64, 64), drawn("L", 90, 70)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the real pipeline with a tiny checkpoint."""
    data = tmp_path_factory.mktemp("data")
    write_recorded_checkpoint(data / "models" / "Stable-diffusion")
    with real_client(data) as client:
        yield client


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sampler_name": "DPM++ SKE Karras"}, "Did you mean “DPM++ SDE Karras”?"),
        ({"sampler_name": "k_dpmpp_3m_ske_ka"}, "Did you mean “DPM++ 3M SDE Karras”?"),
        ({"sampler_name": "Eular a"}, "Did you mean “Euler a”?"),
        ({"scheduler": "Karas"}, "Did you mean “Karras”?"),
        ({"enable_hr": True, "hr_sampler_name": "DPM++ SKE Karras"}, "Did you mean “DPM++ SDE Karras”?"),
        ({"enable_hr": True, "hr_scale": 0}, "needs a scale above 0"),
        ({"enable_hr": True, "hr_scale": 0, "hr_resize_x": 0, "hr_resize_y": 0}, "needs a scale above 0"),
        ({"enable_hr": True, "hr_scale": 0.05}, "0×0 px"),
        ({"enable_hr": True, "hr_resize_x": 4}, "px"),
        ({"enable_hr": True, "firstpass_image": b64encode(b"no picture").decode()}, "first-pass picture"),
        ({"override_settings": {"no_such_setting": 1}}, "Unknown setting: no_such_setting"),
        ({"script_name": "no such script"}, "script_name"),
        ({"width": 0}, "greater than or equal to 8"),
    ],
)
def test_txt2img(real: TestClient, fields: dict[str, Any], words: str) -> None:
    reply = real.post("/sdapi/v1/txt2img", json=SMALL | fields)
    assert reply.status_code == 422, reply.text
    assert words in str(reply.json()["detail"])


@pytest.mark.parametrize("only_masked", [True, False])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Send at least one picture"),
        ({"mask": MASK}, "A mask alone is no picture to begin with"),
        ({"init_images": [PICTURE], "mask": ODD_MASK}, "The mask has 90×70 px, the picture 64×64 px"),
        ({"init_images": [PICTURE], "mask": b64encode(b"no picture").decode()}, "The mask is no picture"),
        ({"init_images": [PICTURE], "mask": ""}, "mask is empty"),
        ({"init_images": [b64encode(b"no picture").decode()]}, "The picture is no picture"),
        ({"init_images": [PICTURE, PICTURE, PICTURE], "batch_size": 2}, "3 images for a batch of 2"),
        ({"init_images": [PICTURE, OTHER], "batch_size": 2, "mask": MASK}, "different sizes"),
        ({"init_images": [PICTURE], "sampler_name": "DPM++ SKE Karras"}, "Did you mean “DPM++ SDE Karras”?"),
    ],
)
def test_img2img(real: TestClient, fields: dict[str, Any], words: str, *, only_masked: bool) -> None:
    reply = real.post("/sdapi/v1/img2img", json=SMALL | {"inpaint_full_res": only_masked} | fields)
    assert reply.status_code == 422, reply.text
    assert words in str(reply.json()["detail"])


def test_a_mask_of_the_pictures_size_need_not_have_the_size_asked_for(real: TestClient) -> None:
    body = SMALL | {"init_images": [OTHER], "mask": drawn("L", 72, 64), "denoising_strength": 0.5}
    assert real.post("/sdapi/v1/img2img", json=body | {"inpaint_full_res": False}).status_code == 200
