"""Routes that change `styles.csv`."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

BEFORE = b'\xef\xbb\xbfname,prompt,negative_prompt,extra\r\n# mine,,,\r\nPhoto,"photo, 35mm",drawing,kept\r\n'


def styles(client: TestClient) -> list[dict[str, str]]:
    return client.get("/sdapi/v1/prompt-styles").json()


def test_a_style_is_added_changed_and_removed(client: TestClient) -> None:
    for prompt in ("oil, {prompt}", "thick oil, {prompt}"):
        body = {"name": "Öl, alt", "prompt": prompt, "negative_prompt": 'a "photo"\nin two lines'}
        assert client.post("/internal/styles", json=body).status_code == 200
    assert styles(client) == [body]
    assert client.post("/internal/styles/delete", json={"name": "Öl, alt"}).status_code == 200
    assert styles(client) == []


def test_what_else_is_in_the_file_stays(client: TestClient, data: Path) -> None:
    (data / "styles.csv").write_bytes(BEFORE)
    client.post("/internal/styles", json={"name": "New", "prompt": "x"})
    client.post("/internal/styles", json={"name": "Photo", "prompt": "photo", "negative_prompt": "drawing"})
    assert (data / "styles.csv").read_bytes() == BEFORE.replace(b'"photo, 35mm"', b"photo") + b"New,x,,\r\n"


@pytest.mark.parametrize("name", ["# comment", " "])
def test_names_that_cannot_be_read_again_are_refused(client: TestClient, name: str) -> None:
    reply = client.post("/internal/styles", json={"name": name})
    assert reply.status_code >= 400
    assert "name" in reply.json()["detail"]


def test_a_damaged_file_is_left_alone(client: TestClient, data: Path) -> None:
    (data / "styles.csv").write_bytes(b"no,table\r\n1,2\r\n")
    assert client.post("/internal/styles", json={"name": "New"}).status_code >= 400
    assert (data / "styles.csv").read_bytes() == b"no,table\r\n1,2\r\n"
