"""Large bodies are refused, answers are packed, and event streams stay streams."""

import asyncio

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.types import Message

from modules.frontends.http_api import limits
from modules.frontends.http_api.limits import BodyLimit, Compression


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(limits, "MAX_BODY_BYTES", 1000)
    app = FastAPI()

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.post("/json")
    async def json(body: dict[str, str]) -> int:
        return len(body)

    @app.get("/{path:path}")
    async def large() -> str:
        return "x" * 5000

    app.add_middleware(Compression)
    app.add_middleware(BodyLimit)
    return TestClient(app)


def test_a_body_that_is_announced_too_large_is_refused(client: TestClient) -> None:
    assert client.post("/length", content=b"x" * 1000).json() == 1000
    reply = client.post("/length", content=b"x" * 1001)
    assert reply.status_code == 413
    assert "larger than" in reply.json()["detail"]


@pytest.mark.parametrize("path", ["/length", "/json"])
@pytest.mark.parametrize(("pieces", "status"), [(10, 200), (11, 413)])
def test_a_body_that_turns_out_too_large_is_refused(client: TestClient, path: str, pieces: int, status: int) -> None:
    """Straight to the app: the test client would send the pieces as one."""
    body = b'{"a": "' + b"x" * (100 * pieces - 9) + b'"}'
    messages = [
        {"type": "http.request", "body": body[start : start + 100], "more_body": start + 100 < len(body)}
        for start in range(0, len(body), 100)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(client.app(scope, receive, send))  # pyright: ignore[reportArgumentType] # an ASGI app of version 3
    assert sent[0]["status"] == status


def test_pages_are_packed_and_pictures_are_not_packed_again(client: TestClient) -> None:
    assert client.get("/config").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.get("/sdapi/v1/txt2img").headers
    assert "content-encoding" not in client.get("/config", headers={"accept-encoding": "identity"}).headers


def test_event_streams_are_not_packed() -> None:
    app = FastAPI()

    @app.get("/events")
    def events() -> StreamingResponse:
        return StreamingResponse((f"data: {'x' * 2000}\n\n" for _ in range(3)), media_type="text/event-stream")

    app.add_middleware(Compression)
    assert "content-encoding" not in TestClient(app).get("/events").headers
