"""The description of the interface for people."""

import re

from fastapi.testclient import TestClient


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "openapi.json" in page.text
    assert not re.search(r"https?://|//[a-z]+\.[a-z]+/", page.text)
    assert client.get("/redoc").status_code == 404
