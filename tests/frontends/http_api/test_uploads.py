"""The routes by which the page sends pictures."""

import io

import pytest
from fastapi.testclient import TestClient
from PIL import Image


def picture(form: str = "PNG", orientation: int | None = None) -> bytes:
    packed, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (30, 20), "red").save(packed, form, exif=exif)
    return packed.getvalue()


def test_a_picture_is_kept_and_given_back(client: TestClient) -> None:
    data = picture()
    answer = client.post("/internal/uploads", content=data).json()
    assert (answer["width"], answer["height"]) == (30, 20)
    again = client.get(f"/internal/uploads/{answer['id']}")
    assert again.content == data
    assert again.headers["x-content-type-options"] == "nosniff"


def test_the_size_is_that_of_the_upright_picture(client: TestClient) -> None:
    answer = client.post("/internal/uploads", content=picture("JPEG", orientation=6)).json()
    assert (answer["width"], answer["height"]) == (20, 30)


@pytest.mark.parametrize("body", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n"])
def test_only_pictures_are_kept(client: TestClient, body: bytes) -> None:
    assert client.post("/internal/uploads", content=body).status_code == 422


@pytest.mark.parametrize("name", ["0" * 64, "..%2f..%2fconfig.json", "%2fetc%2fpasswd"])
def test_other_files_are_not_given(client: TestClient, name: str) -> None:
    assert client.get(f"/internal/uploads/{name}").status_code == 404
