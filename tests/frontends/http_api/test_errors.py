"""Every exception is answered in words."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from modules.core.errors import EaselError, NoModelError
from modules.core.events import Failed
from modules.frontends.http_api.errors import JobFailed, install_error_handlers


class Body(BaseModel):
    number: int


ERRORS: dict[str, Exception] = {
    "known": NoModelError("There is no checkpoint."),
    "long": EaselError("x" * 10_000 + "\ud800"),
    "job": JobFailed(Failed(job_id="a", error="OutputError", message="The disk is full.", status=507)),
    "unknown": RuntimeError("secret path /home/ann"),
}


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/number")
    def number(body: Body) -> int:
        return body.number

    @app.get("/{name}")
    def fail(name: str) -> None:
        raise ERRORS[name]

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("name", "status", "error", "sentence"),
    [
        ("known", 409, "NoModelError", "There is no checkpoint."),
        ("job", 507, "OutputError", "The disk is full."),
        ("unknown", 500, "RuntimeError", "Unexpected error. The server's console says more."),
    ],
)
def test_the_status_fits_and_the_sentence_is_where_clients_look(
    client: TestClient, name: str, status: int, error: str, sentence: str
) -> None:
    reply = client.get(f"/{name}")
    assert reply.status_code == status
    assert reply.json() == {"error": error, "detail": sentence, "body": "", "errors": sentence}


def test_a_long_sentence_is_cut(client: TestClient) -> None:
    assert len(client.get("/long").json()["detail"]) == 2001


@pytest.mark.parametrize("number", ["NaN", "-Infinity", '"\\ud800"', "[" + "9" * 100_000 + "]", "1e999"])
def test_a_bad_field_is_named_and_shown_whatever_it_is(client: TestClient, number: str) -> None:
    reply = client.post("/number", content=f'{{"number": {number}}}', headers={"content-type": "application/json"})
    assert reply.status_code in (400, 422)
    assert len(reply.content) < 1000
    if reply.status_code == 422:
        assert reply.json()["detail"][0]["loc"] == ["body", "number"]
        assert set(reply.json()["detail"][0]) == {"type", "loc", "msg", "input"}
