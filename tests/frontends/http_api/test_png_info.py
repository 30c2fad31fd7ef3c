from base64 import b64encode

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from modules.imaging.png import encode_png

TEXT = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, Seed: 1, Size: 64x128, Version: v1.8.0"


def encoded(infotext: str | None) -> str:
    return b64encode(encode_png(Image.new("RGB", (8, 8)), infotext)).decode()


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_the_infotext_and_its_fields_are_read(client: TestClient, prefix: str) -> None:
    answer = client.post("/sdapi/v1/png-info", json={"image": prefix + encoded(TEXT)}).json()
    assert answer["info"] == TEXT
    read = answer["parameters"]
    assert (read["Prompt"], read["Negative prompt"], read["Size-1"], read["Size-2"]) == ("a cat", "dog", "64", "128")
    # What was not written down then, because it went without saying
    assert read["Clip skip"] == "1"


def test_a_picture_without_infotext_has_none(client: TestClient) -> None:
    answer = client.post("/sdapi/v1/png-info", json={"image": encoded(None)}).json()
    assert answer["info"] == ""
    assert answer["parameters"]["Prompt"] == ""


@pytest.mark.parametrize("image", ["no base64!", b64encode(b"no picture").decode(), ""])
def test_what_is_no_picture_gets_a_sentence(client: TestClient, image: str) -> None:
    reply = client.post("/sdapi/v1/png-info", json={"image": image})
    assert reply.status_code == 422
    assert "picture" in reply.json()["detail"]
