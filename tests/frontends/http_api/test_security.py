"""No page of a stranger can drive the server."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from modules.core.flags import Flags
from modules.frontends.http_api.security import AllowedHosts, OriginGuard, allowed_hosts_for, split_host

HERE = "http://127.0.0.1:7860"
SOCKET = "ws://127.0.0.1:7860/socket"


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A server that may be called by its loopback names and through a tunnel, with a page and two API routes."""
    app = FastAPI()

    @app.get("/")
    def page() -> str:
        return "page"

    @app.api_route("/sdapi/v1/options", methods=["GET", "POST", "OPTIONS"])
    def options() -> str:
        return "options"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    app.add_middleware(OriginGuard, hosts=AllowedHosts(tunnels=frozenset({"gradio.live"})))
    with TestClient(app, HERE) as client:
        yield client


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost", 200),
        ("LOCALHOST:7860", 200),
        ("localhost.:7860", 200),
        ("[::1]:7860", 200),
        ("abc123.gradio.live", 200),
        ("evil.example", 403),
        ("evil.example:7860", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("evilgradio.live", 403),
        ("gradio.live.evil.example", 403),
        ("192.168.1.5:7860", 403),
        ("localhost@evil.example", 403),
        ("evil.example/@localhost", 403),
        ("localhost:port", 403),
        ("", 403),
    ],
)
def test_only_our_own_names_are_answered(client: TestClient, host: str, status: int) -> None:
    reply = client.get("/", headers={"host": host})
    assert reply.status_code == status
    if status == 403:
        assert "--server-name" in reply.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        (HERE, 200),
        ("http://127.0.0.1:3000", 403),
        ("http://localhost:7860", 403),
        ("https://127.0.0.1:7860", 403),
        ("http://127.0.0.1", 403),
        ("https://evil.example", 403),
        ("http://127.0.0.1:7860.evil.example", 403),
        ("null", 403),
        ("", 403),
        ("chrome-extension://abc", 403),
    ],
)
def test_requests_of_other_pages_are_refused(client: TestClient, method: str, origin: str | None, status: int) -> None:
    reply = client.request(method, "/sdapi/v1/options", headers={} if origin is None else {"origin": origin})
    assert reply.status_code == status
    if status == 403:
        answer = reply.json()
        assert (answer["error"], answer["body"]) == ("Forbidden", "")
        assert "another web page" in answer["detail"]
        assert "access-control-allow-origin" not in reply.headers


def test_a_default_port_need_not_be_written(client: TestClient) -> None:
    for host, origin in (("localhost", "http://localhost:80"), ("localhost:80", "http://localhost")):
        assert client.post("/sdapi/v1/options", headers={"host": host, "origin": origin}).status_code == 200


def test_a_tunnel_speaks_tls_for_us(client: TestClient) -> None:
    for origin, status in (("https://a.gradio.live", 200), ("https://b.gradio.live", 403)):
        headers = {"host": "a.gradio.live", "origin": origin}
        assert client.post("/sdapi/v1/options", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "site", "status"),
    [
        ("GET", "/", "cross-site", 200),
        ("GET", "/", "none", 200),
        ("GET", "/sdapi/v1/options", "cross-site", 403),
        ("GET", "/sdapi/v1/options", "same-site", 403),
        ("GET", "/sdapi/v1/options", "same-origin", 200),
        ("GET", "/sdapi/v1/options", "none", 200),
        ("POST", "/sdapi/v1/options", "cross-site", 403),
        ("POST", "/sdapi/v1/options", "same-site", 403),
        ("POST", "/sdapi/v1/options", "same-origin", 200),
    ],
)
def test_what_the_browser_says_of_the_sender_counts(
    client: TestClient, method: str, path: str, site: str, status: int
) -> None:
    assert client.request(method, path, headers={"sec-fetch-site": site}).status_code == status


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"host": "evil.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_websockets_are_covered(client: TestClient, headers: dict[str, str]) -> None:
    with client.websocket_connect(SOCKET, headers={"origin": HERE}) as ours:
        assert ours.receive_text() == "hello"
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(SOCKET, headers=headers):
        pass
    assert refused.value.code == 1008


def test_the_page_cannot_be_framed_elsewhere(client: TestClient) -> None:
    headers = client.get("/").headers
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_a_second_host_or_origin_header_does_not_hide_the_first() -> None:
    async def app(*_: object) -> None:
        raise AssertionError("it was let in")

    async def receive() -> Message:
        return {"type": "http.request"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    ours, theirs = (b"host", b"localhost"), (b"origin", b"https://evil.example")
    for headers in ([ours, (b"host", b"evil.example")], [ours, (b"origin", b"http://localhost"), theirs], []):
        scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": headers}
        sent.clear()
        asyncio.run(OriginGuard(app, hosts=AllowedHosts())(scope, receive, send))
        assert sent[0]["status"] == 403


def hosts(**flags: object) -> AllowedHosts:
    return allowed_hosts_for(Flags(data_dir=Path(), **flags))  # pyright: ignore[reportArgumentType] # few of many


def test_names_follow_what_the_server_listens_on() -> None:
    alone = hosts()
    assert [alone.allows(name) for name in ("localhost", "192.168.1.5", "a.gradio.live")] == [True, False, False]
    own_name = socket.gethostname().casefold()
    for everywhere in (hosts(listen=True), hosts(server_name="0.0.0.0"), hosts(server_name="::")):
        names = ("192.168.1.5", "fe80::1", own_name, f"{own_name}.local", "evil.example")
        assert [everywhere.allows(name) for name in names] == [True, True, True, True, False]
    named = hosts(server_name="Studio.lan")
    assert [named.allows(name) for name in ("studio.lan", "127.0.0.1", "192.168.1.5")] == [True, True, False]
    assert hosts(server_name="[::1]").allows("::1")
    assert hosts(share=True).allows("a.gradio.live")


def test_hosts_are_split_as_browsers_read_them() -> None:
    assert split_host("[::1]:7860") == ("::1", 7860)
    assert split_host("Example.COM.") == ("example.com", None)
    for wrong in ("", ":80", "a:b", "a b\tc/", "user@host", "a/b", "a?b", "[::1"):
        assert split_host(wrong) is None, wrong
