"""Progress, interrupt, skip, and the questions a page asks."""

from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.core.parameters import Txt2Img
from modules.frontends.backend import Backend
from modules.jobs.state import JobStatus
from tests.frontends.http_api.conftest import Until
from tests.frontends.http_api.fakes import PaintingRunner
from tests.frontends.http_api.recorded import a1111_answers

WAITING = Txt2Img(prompt="wait", steps=4, batch_count=2, width=64, height=64)


def ask(client: TestClient, job_id: str | None, **fields: Any) -> dict[str, Any]:
    reply = client.post("/internal/progress", json={"id_task": job_id} | fields)
    assert reply.status_code == 200
    answer: dict[str, Any] = reply.json()
    return answer


@pytest.fixture
def running(backend: Backend, runner: PaintingRunner, until: Until) -> str:
    """A job that has done 2 of 4 steps of its second batch."""
    job_id = backend.jobs.submit(WAITING, job_id="mine").job_id
    runner.gate.release(6)
    until(lambda: (preview := backend.jobs.state(job_id).preview) is not None and preview.id == 6)
    return job_id


def test_nothing_runs(client: TestClient) -> None:
    answer = client.get("/sdapi/v1/progress").json()
    theirs = a1111_answers()["progress_when_idle"]
    assert list(answer) == list(theirs)
    assert list(answer["state"]) == list(theirs["state"])
    assert (answer["progress"], answer["state"]["job_count"], answer["current_image"]) == (0.0, 0, None)
    assert client.post("/sdapi/v1/interrupt").json() == {}
    assert client.post("/sdapi/v1/skip").json() == {}


def test_progress_of_the_running_job(client: TestClient, running: str) -> None:
    answer = client.get("/sdapi/v1/progress").json()
    assert answer["progress"] == 0.75
    assert answer["eta_relative"] >= 0
    assert answer["textinfo"] == "Sampling"
    assert b64decode(answer["current_image"]) == b"preview 2"
    state = answer["state"]
    assert (state["job"], state["job_count"], state["job_no"]) == (running, 2, 1)
    assert (state["sampling_step"], state["sampling_steps"]) == (2, 4)
    assert (state["interrupted"], state["skipped"]) == (False, False)
    assert len(state["job_timestamp"]) == 14
    assert client.get("/sdapi/v1/progress?skip_current_image=true").json()["current_image"] is None


def test_a_job_that_has_only_begun_is_not_taken_for_idle(client: TestClient, backend: Backend, until: Until) -> None:
    backend.jobs.submit(WAITING)
    until(lambda: backend.jobs.current() is not None)
    answer = client.get("/sdapi/v1/progress").json()
    assert answer["progress"] > 0
    assert answer["state"]["job_count"] == 1


def test_interrupt_and_skip_are_seen_and_done(
    client: TestClient, backend: Backend, runner: PaintingRunner, running: str, until: Until
) -> None:
    client.post("/sdapi/v1/skip")
    assert client.get("/sdapi/v1/progress").json()["state"]["skipped"]
    client.post("/sdapi/v1/interrupt")
    assert client.get("/sdapi/v1/progress").json()["state"]["interrupted"]
    runner.gate.release(1)
    until(lambda: backend.jobs.state(running).ended)
    assert backend.jobs.state(running).status is JobStatus.CANCELLED
    assert len(backend.jobs.state(running).images) == 1


def test_skip_goes_on_with_the_next_batch(
    client: TestClient, backend: Backend, runner: PaintingRunner, until: Until
) -> None:
    job_id = backend.jobs.submit(WAITING).job_id
    runner.gate.release(1)
    until(lambda: backend.jobs.state(job_id).step == 1)
    client.post("/sdapi/v1/skip")
    runner.gate.release(5)
    until(lambda: backend.jobs.state(job_id).ended)
    assert backend.jobs.state(job_id).status is JobStatus.FINISHED
    assert len(backend.jobs.state(job_id).images) == 1


def test_a_page_sees_its_running_task_and_each_preview_once(client: TestClient, running: str) -> None:
    answer = ask(client, running)
    assert (answer["active"], answer["queued"], answer["completed"]) == (True, False, False)
    assert (answer["progress"], answer["textinfo"]) == (0.75, "Sampling")
    assert answer["eta"] >= 0
    assert answer["live_preview"] == "data:image/jpeg;base64," + b64encode(b"preview 2").decode()
    again = ask(client, running, id_live_preview=answer["id_live_preview"])
    assert (again["live_preview"], again["id_live_preview"]) == (None, answer["id_live_preview"])
    assert ask(client, running, live_preview=False)["live_preview"] is None


def test_a_page_sees_its_place_in_the_queue(client: TestClient, backend: Backend, running: str) -> None:
    for name in ("second", "third"):
        backend.jobs.submit(WAITING, job_id=name)
    answer = ask(client, "third")
    assert (answer["active"], answer["queued"], answer["textinfo"]) == (False, True, "In queue: 2/2")
    assert client.get("/internal/pending-tasks").json() == {"size": 2, "tasks": ["second", "third"]}
    backend.jobs.cancel("second")
    assert ask(client, "third")["textinfo"] == "In queue: 1/1"
    assert ask(client, "second")["completed"]
    assert running not in client.get("/internal/pending-tasks").json()["tasks"]


def test_a_page_sees_that_its_task_has_ended_and_why(client: TestClient, backend: Backend, until: Until) -> None:
    for job_id, prompt in (("good", ""), ("bad", "fail")):
        backend.jobs.submit(Txt2Img(prompt=prompt, steps=1), job_id=job_id)
    until(lambda: backend.jobs.state("bad").ended)
    answer = ask(client, "good")
    assert (answer["active"], answer["completed"], answer["progress"]) == (False, True, None)
    assert ask(client, "bad")["textinfo"] == "tiny.safetensors is cut off. Download it again."


def test_a_task_that_is_not_there_yet_is_waited_for(client: TestClient) -> None:
    for job_id in ("nobody", None):
        answer = ask(client, job_id)
        assert [answer[name] for name in ("active", "queued", "completed")] == [False, False, False]
        assert (answer["textinfo"], answer["id_live_preview"]) == ("Waiting...", -1)


def test_ping(client: TestClient) -> None:
    assert client.get("/internal/ping").json() == {}


def test_progress_is_answered_while_requests_wait(
    client: TestClient, backend: Backend, runner: PaintingRunner, until: Until
) -> None:
    body = {"prompt": "wait", "steps": 1, "width": 64, "height": 64}
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(client.post, "/sdapi/v1/txt2img", json=body)
        until(lambda: backend.jobs.current() is not None)
        assert client.get("/sdapi/v1/progress").json()["state"]["job"].startswith("task(txt2img-")
        runner.gate.release(1)
        assert reply.result().status_code == 200
