"""Nothing without a login."""

from base64 import b64encode
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from modules.frontends.backend import Backend
from modules.frontends.http_api import login as login_module
from modules.frontends.http_api.login import LoginGuard
from modules.frontends.http_api.server import create_app

HERE = "http://127.0.0.1:7860"
SOCKET = "ws://127.0.0.1:7860/socket"
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ANN = {"username": "ann", "password": "hush"}
EVERYTHING = [
    "/",
    "/docs",
    "/openapi.json",
    "/sdapi/v1/options",
    "/internal/ping",
    "/gradio_api/info",
    "/login/../sdapi/v1/options",
    "/login.html",
    "//login",
    "/assets/page.js",
    "/nothing",
]


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A page with files and a websocket behind a login; redirects are not followed."""
    folder = tmp_path_factory.mktemp("assets")
    (folder / "page.js").write_text("secret")
    app = FastAPI()

    @app.get("/")
    def page() -> str:
        return "secret page"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("secret")
        await websocket.close()

    app.mount("/assets", StaticFiles(directory=folder))
    app.add_middleware(LoginGuard, logins=[("ann", "hush"), ("bob", "päss:word")])
    with TestClient(app, HERE, follow_redirects=False) as client:
        yield client


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@pytest.mark.parametrize("path", EVERYTHING)
def test_programs_are_asked_for_a_password(backend: Backend, path: str) -> None:
    app = create_app(backend, logins=[("ann", "hush")])
    with TestClient(app, HERE, follow_redirects=False) as client:
        for method in ("GET", "POST", "HEAD", "OPTIONS", "DELETE"):
            reply = client.request(method, HERE + path)
            assert reply.status_code == 401, method
            assert reply.headers["www-authenticate"].startswith("Basic ")
            assert method == "HEAD" or "detail" in reply.json()


@pytest.mark.parametrize("path", EVERYTHING)
def test_browsers_are_led_to_the_login_page(client: TestClient, path: str) -> None:
    reply = client.get(HERE + path, headers=HTML)
    assert reply.status_code == 303
    assert reply.headers["location"].startswith("/login")
    assert "secret" not in reply.text


def test_the_scripts_of_a_page_get_no_dialogue_of_the_browser(client: TestClient) -> None:
    reply = client.get("/", headers={"sec-fetch-mode": "cors"})
    assert reply.status_code == 401
    assert "www-authenticate" not in reply.headers


def test_a_person_logs_in_on_the_page_and_arrives_where_he_wanted(client: TestClient) -> None:
    asked = client.get("/assets/page.js?x=1&y=2", headers=HTML)
    page = client.get(asked.headers["location"], headers=HTML)
    assert page.status_code == 200
    assert 'value="/assets/page.js?x=1&amp;y=2"' in page.text
    assert page.headers["cache-control"] == "no-store"
    reply = client.post("/login", data=ANN | {"next": "/assets/page.js?x=1&y=2"}, headers=HTML)
    assert reply.status_code == 303
    assert reply.headers["location"] == "/assets/page.js?x=1&y=2"
    cookie = reply.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("easel-session-7860=", "httponly", "samesite=strict", "path=/", "max-age="))
    assert client.get("/assets/page.js").text == "secret"
    assert client.get("/login", headers=HTML).headers["location"] == "/"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:x", "", "/login"],
)
def test_a_login_does_not_lead_to_strangers(client: TestClient, target: str) -> None:
    assert client.post("/login", data=ANN | {"next": target}, headers=HTML).headers["location"] == "/"


def test_what_was_wanted_cannot_break_out_of_the_page(client: TestClient) -> None:
    page = client.get("/login", params={"next": '/"><script>x</script>'}, headers=HTML)
    assert "<script>" not in page.text


def test_gradios_client_logs_in_with_a_form_and_gets_json(client: TestClient) -> None:
    reply = client.post("/login", data=ANN)
    assert (reply.status_code, reply.json()) == (200, {"success": True})
    assert client.get("/").json() == "secret page"


def test_a_wrong_password_is_said_and_opens_nothing(client: TestClient) -> None:
    page = client.post("/login", data=ANN | {"password": "wrong"}, headers=HTML)
    assert page.status_code == 401
    assert 'role="alert"' in page.text
    assert "set-cookie" not in page.headers
    reply = client.post("/login", data=ANN | {"password": "wrong"})
    assert (reply.status_code, reply.json()["detail"]) == (401, "Wrong user name or password.")
    assert client.get("/").status_code == 401


def test_programs_may_send_their_password_with_each_request(client: TestClient) -> None:
    assert client.get("/", headers=basic("ann", "hush")).status_code == 200
    assert client.get("/", headers=basic("bob", "päss:word")).status_code == 200
    assert client.get("/assets/page.js", headers=basic("ann", "hush")).text == "secret"
    for wrong in ("Basic", "Basic !!!", "Basic " + b64encode(b"\xff\xfe").decode(), "Bearer hush", "hush"):
        assert client.get("/", headers={"authorization": wrong}).status_code == 401
    assert client.get("/", headers=basic("ann", "wrong")).status_code == 401


def test_guessing_gets_slow_and_a_session_goes_on(client: TestClient) -> None:
    client.post("/login", data=ANN)
    session = dict(client.cookies)
    client.cookies.clear()
    replies = [client.get("/", headers=basic("ann", f"guess {number}")) for number in range(6)]
    assert [reply.status_code for reply in replies] == [401] * 5 + [429]
    assert replies[-1].headers["retry-after"] == "1"
    # the right password does not help before the pause is over, else guessing would not be slowed
    assert client.post("/login", data=ANN).status_code == 429
    page = client.post("/login", data=ANN, headers=HTML)
    assert (page.status_code, page.headers["retry-after"]) == (429, "1")
    client.cookies.update(session)
    assert client.get("/").status_code == 200


def test_logging_out_ends_the_session_on_the_server(client: TestClient) -> None:
    client.post("/login", data=ANN)
    session = dict(client.cookies)
    assert client.post("/logout", headers=HTML).headers["location"] == "/login"
    assert not client.cookies
    client.cookies.update(session)
    assert client.get("/").status_code == 401
    client.post("/login", data=ANN)
    assert client.get("/logout").json() == {"success": True}
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("cookie", ["", "guess", "a" * 5000, "\u00e9"])
def test_invented_sessions_open_nothing(client: TestClient, cookie: str) -> None:
    headers = {"cookie": f"easel-session-7860={cookie}".encode()}
    assert client.get("/", headers=headers).status_code == 401  # type: ignore[arg-type] # bytes are fine


def test_a_login_form_is_small(client: TestClient) -> None:
    reply = client.post("/login", content=b"username=" + b"x" * login_module.MAX_FORM_BYTES)
    assert reply.status_code == 413
    assert client.post("/login", content=b"\xff=%ff&username&&").status_code == 401
    assert client.put("/login").status_code == 405


def test_websockets_need_a_session(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(SOCKET):
        pass
    assert refused.value.code == 1008
    client.post("/login", data=ANN)
    with client.websocket_connect(SOCKET) as opened:
        assert opened.receive_text() == "secret"


def test_without_passwords_nobody_has_to_log_in(backend: Backend) -> None:
    with TestClient(create_app(backend), HERE) as client:
        assert client.get("/internal/ping").status_code == 200
        assert client.get("/login").status_code == 404
