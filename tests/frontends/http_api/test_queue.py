"""The queue as a page sees and changes it."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.core.parameters import LoadCheckpoint, Txt2Img
from modules.frontends.backend import Backend
from modules.jobs.origin import Origin
from tests.frontends.http_api.conftest import Until
from tests.frontends.http_api.fakes import PaintingRunner


def queue(client: TestClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/internal/queue").json()
    return answer


def ids(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["id"] for entry in entries]


@pytest.fixture
def busy(backend: Backend, runner: PaintingRunner, until: Until) -> Backend:
    """One job that has made the first of its two pictures, and three that wait."""
    wanted = Txt2Img(prompt="wait for it", steps=4, batch_count=2, width=64, height=64)
    backend.jobs.submit(wanted, job_id="runs", origin=Origin.PAGE)
    for name in "abc":
        backend.jobs.submit(Txt2Img(prompt=name, width=64, height=64), job_id=name)
    runner.gate.release(6)
    until(lambda: (state := backend.jobs.state("runs")).batch == 1 and state.step == 2)
    return backend


def test_an_idle_queue(client: TestClient) -> None:
    assert queue(client) == {"running": None, "waiting": [], "ended": []}


@pytest.mark.usefixtures("busy")
def test_what_runs_and_waits(client: TestClient) -> None:
    answer = queue(client)
    running = answer["running"]
    assert (running["id"], running["title"], running["kind"], running["status"]) == (
        "runs",
        "wait for it",
        "txt2img",
        "running",
    )
    assert (running["origin"], running["pictures"], running["done"], running["progress"]) == ("page", 2, 1, 0.75)
    assert ids(answer["waiting"]) == ["a", "b", "c"]
    assert {(entry["status"], entry["origin"]) for entry in answer["waiting"]} == {("queued", "other")}


@pytest.mark.usefixtures("busy")
def test_moving_cancelling_and_making_once_more(client: TestClient, runner: PaintingRunner, until: Until) -> None:
    answer = client.post("/internal/queue/move", json={"id": "c", "to": "first"}).json()
    assert ids(answer["waiting"]) == ["c", "a", "b"]
    answer = client.post("/internal/queue/cancel", json={"id": "a"}).json()
    assert (ids(answer["waiting"]), ids(answer["ended"])) == (["c", "b"], ["a"])
    assert answer["ended"][0]["status"] == "cancelled"
    answer = client.post("/internal/queue/retry", json={"id": "a"}).json()
    assert [entry["title"] for entry in answer["waiting"]] == ["c", "b", "a"]
    client.post("/internal/queue/cancel", json={"id": "runs"})
    runner.gate.release(100)
    until(lambda: queue(client)["running"] is None)
    assert [entry["title"] for entry in queue(client)["ended"]] == ["a", "b", "c", "wait for it", "a"]
    assert [job.request.prompt for job in runner.jobs if isinstance(job.request, Txt2Img)] == [
        "wait for it",
        "c",
        "b",
        "a",
    ]


def test_jobs_that_make_no_pictures_are_seen_only_while_they_run(
    client: TestClient, backend: Backend, until: Until
) -> None:
    backend.jobs.submit(LoadCheckpoint())
    until(lambda: len(backend.jobs.ended()) == 1)
    assert queue(client)["ended"] == []


def test_why_a_job_failed(client: TestClient, backend: Backend, until: Until) -> None:
    backend.jobs.submit(Txt2Img(prompt="fail"))
    until(lambda: len(queue(client)["ended"]) == 1)
    assert queue(client)["ended"][0]["stage"] == "tiny.safetensors is cut off. Download it again."


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("move", {"id": "runs", "to": "up"}, 422),
        ("move", {"id": "a", "to": "sideways"}, 422),
        ("move", {"id": "nobody", "to": "up"}, 404),
        ("cancel", {"id": "nobody"}, 404),
        ("retry", {"id": "nobody"}, 404),
        ("retry", {"id": "a"}, 422),
        ("cancel", {}, 422),
    ],
)
@pytest.mark.usefixtures("busy")
def test_what_cannot_be_done_is_said(client: TestClient, route: str, body: dict[str, str], status: int) -> None:
    assert client.post(f"/internal/queue/{route}", json=body).status_code == status
    assert ids(queue(client)["waiting"]) == ["a", "b", "c"]
