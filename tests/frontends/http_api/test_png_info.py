import io
from base64 import b64encode

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from modules.imaging.exif import user_comment_exif
from modules.imaging.png import encode_png

TEXT = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, Seed: 1, Size: 64x128, Version: v1.8.0"
PICTURE = Image.new("RGB", (8, 8))


def encoded(infotext: str | None) -> str:
    return b64encode(encode_png(PICTURE, infotext)).decode()


def png_with(**texts: str) -> str:
    """Return a PNG file with these text chunks."""
    chunks, file = PngInfo(), io.BytesIO()
    for key, text in texts.items():
        chunks.add_text(key, text)
    PICTURE.save(file, "PNG", pnginfo=chunks)
    return b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_the_infotext_and_its_fields_are_read(client: TestClient, prefix: str) -> None:
    answer = client.post("/sdapi/v1/png-info", json={"image": prefix + encoded(TEXT)}).json()
    assert answer["info"] == TEXT
    assert answer["items"] == {}
    read = answer["parameters"]
    assert (read["Prompt"], read["Negative prompt"], read["Size-1"], read["Size-2"]) == ("a cat", "dog", "64", "128")
    # What was not written down then, because it went without saying
    assert read["Clip skip"] == "1"


def test_all_other_texts_are_items(client: TestClient) -> None:
    image = png_with(parameters=TEXT, Software="a painter", note="naïve")
    answer = client.post("/sdapi/v1/png-info", json={"image": image}).json()
    assert answer["info"] == TEXT
    assert answer["items"] == {"Software": "a painter", "note": "naïve"}


def test_a_jpeg_carries_its_infotext_in_exif(client: TestClient) -> None:
    file = io.BytesIO()
    PICTURE.save(file, "JPEG", exif=user_comment_exif(TEXT))
    answer = client.post("/sdapi/v1/png-info", json={"image": b64encode(file.getvalue()).decode()}).json()
    assert answer["info"] == TEXT
    assert answer["items"] == {"exif comment": TEXT}
    assert answer["parameters"]["Seed"] == "1"


def test_what_civitai_writes_stays_whole(client: TestClient) -> None:
    text = 'a cat\nSteps: 20, Sampler: Euler, Seed: 1, Hashes: {"model": "0123456789", "lora:x": "ab"}, Version: v1.8.0'
    read = client.post("/sdapi/v1/png-info", json={"image": encoded(text)}).json()["parameters"]
    assert (read["Model hash"], read["Hashes"]) == ("0123456789", '{"model": "0123456789", "lora:x": "ab"}')


def test_texts_that_utf8_cannot_say_do_not_stop_the_answer(client: TestClient) -> None:
    said = '{"uc": "\\ud800", "steps": 20, "sampler": "k_euler", "scale": 7, "seed": 1}'
    image = png_with(Software="NovelAI", Description="a cat", Comment=said)
    reply = client.post("/sdapi/v1/png-info", json={"image": image})
    assert reply.status_code == 200
    assert reply.json()["info"].startswith("a cat\nNegative prompt: ")


def test_a_picture_without_infotext_has_none(client: TestClient) -> None:
    answer = client.post("/sdapi/v1/png-info", json={"image": encoded(None)}).json()
    assert (answer["info"], answer["items"]) == ("", {})
    assert answer["parameters"]["Prompt"] == ""


@pytest.mark.parametrize("image", ["no base64!", b64encode(b"no picture").decode(), "", "https://example.org/a.png"])
def test_what_is_no_picture_gets_a_sentence(client: TestClient, image: str) -> None:
    reply = client.post("/sdapi/v1/png-info", json={"image": image})
    assert reply.status_code == 422
    assert "picture" in reply.json()["detail"]
