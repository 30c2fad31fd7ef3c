"""A real server is killed in the middle of its queue: the finished pictures are there, and the rest is made."""

import base64
import contextlib
import io
import json
import secrets
import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.recorded_checkpoint import write_recorded_checkpoint
from tests.server import Server, running_server

FLAGS = ("--no-half", "--use-cpu", "all")
FORM = {
    "txt2img_steps": 12,
    "txt2img_width": 64,
    "txt2img_height": 64,
    "txt2img_sampling": "Euler",
}
MANY = 24


class PageClient:
    """Presses Generate as the page does, by the routes that the page uses."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.session = secrets.token_hex(5)
        config = httpx.get(f"{server.url}/config", timeout=60).json()
        by_id = {component["id"]: component for component in config["components"]}
        names = {component["props"].get("elem_id"): number for number, component in by_id.items()}
        pressed = [names["txt2img_generate"], "click"]
        events = [event for event in config["dependencies"] if pressed in event["targets"] and event["backend_fn"]]
        self.event = events[0]["id"]
        self.inputs = [by_id[number]["props"] for number in events[0]["inputs"]]

    def generate(self, job_id: str, **fields: Any) -> None:
        wanted = FORM | {f"txt2img_{name}": value for name, value in fields.items()}
        values = [wanted.get(props.get("elem_id"), props.get("value")) for props in self.inputs]
        body = {"data": [job_id, *values[1:]], "fn_index": self.event, "session_hash": self.session}
        httpx.post(f"{self.url}/gradio_api/queue/join", json=body, timeout=60).raise_for_status()
        wait(lambda: job_id in known(self.url), f"{job_id} is not in the queue")


def known(url: str) -> list[str]:
    """The ids of all jobs, those that are served first at the beginning."""
    queue = httpx.get(f"{url}/internal/queue", timeout=60).json()
    running = [queue["running"]] if queue["running"] else []
    return [job["id"] for job in [*reversed(queue["ended"]), *running, *queue["waiting"]]]


def wait(is_so: Callable[[], bool], otherwise: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)


@contextlib.contextmanager
def server_over(data: Path) -> Generator[Server]:
    with running_server("--data-dir", str(data), *FLAGS) as server:
        yield server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_recorded_checkpoint(tmp_path / "models" / "Stable-diffusion")
    (tmp_path / "config.json").write_text(json.dumps({"grid_save": False, "return_grid": False}))
    return tmp_path


def saved(data: Path) -> dict[str, bytes]:
    files = sorted((data / "outputs" / "txt2img-images").glob("*/*.png"))
    return {path.name: path.read_bytes() for path in files}


def seeds(data: Path) -> list[int]:
    return [int(name.removesuffix(".png").partition("-")[2]) for name in saved(data)]


def test_the_queue_survives_a_kill(data: Path) -> None:
    with server_over(data) as server:
        one, other = PageClient(server), PageClient(server)
        one.generate("long", seed="100", batch_count=MANY)
        other.generate("theirs", seed="200")
        one.generate("mine", seed="300")
        other.generate("unwanted", seed="400")
        one.generate("last", seed="500")
        queue = f"{server.url}/internal/queue"
        httpx.post(f"{queue}/cancel", json={"id": "unwanted"}).raise_for_status()
        httpx.post(f"{queue}/move", json={"id": "last", "to": "up"}).raise_for_status()
        # a program's job: its client is gone with the connection
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/sdapi/v1/txt2img", json={"seed": 600, "steps": 2}, timeout=0.5)
        wait(lambda: len(saved(data)) >= 3, "no picture is made")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)
    before = saved(data)
    assert 3 <= len(before) < MANY, "the server was killed too late"

    with server_over(data) as server:
        assert [job for job in known(server.url) if job != "long"][:3] == ["theirs", "last", "mine"]
        wait(lambda: httpx.get(f"{server.url}/internal/queue").json()["running"] is None, "the rest is not made")
        ended = {job["id"]: job for job in httpx.get(f"{server.url}/internal/queue").json()["ended"]}
        assert {job["status"] for job in ended.values()} == {"finished"}
        assert (ended["long"]["pictures"], ended["long"]["done"]) == (MANY, MANY)
        check_history(server, data)
        # the rest is what it would have been
        body = {"seed": 100 + MANY - 1, "steps": 12, "width": 64, "height": 64, "sampler_name": "Euler"}
        answer = httpx.post(f"{server.url}/sdapi/v1/txt2img", json=body, timeout=120).json()
        alone = base64.b64decode(answer["images"][0])
    after = saved(data)
    assert before.items() <= after.items(), "finished pictures were touched"
    # at most the one that was saved when the server died is made twice
    made = seeds(data)
    assert set(made) == {*range(100, 100 + MANY), 200, 300, 500}
    assert len(made) - len(set(made)) <= 1
    (last,) = (file for name, file in after.items() if name.endswith(f"-{100 + MANY - 1}.png"))
    assert pixels(alone) == pixels(last)


def pixels(file: bytes) -> bytes:
    return Image.open(io.BytesIO(file)).tobytes()


def check_history(server: Server, data: Path) -> None:
    def runs() -> list[dict[str, Any]]:
        return httpx.get(f"{server.url}/internal/history").json()["runs"]

    wait(lambda: len(runs()) == 4 and {run["status"] for run in runs()} == {"finished"}, f"the history has {runs()}")
    assert [run["seed"] for run in runs()] == [300, 500, 200, 100]
    whole = httpx.get(f"{server.url}/internal/history/{runs()[-1]['id']}").json()
    assert [image["seed"] for image in whole["images"]] == list(range(100, 100 + MANY))
    assert all(image["there"] for image in whole["images"])
    assert (whole["form"]["seed"], whole["form"]["batch_count"]) == (100, MANY)
    picture = httpx.get(f"{server.url}/internal/history/{whole['id']}/picture/0")
    assert picture.content == next(data for name, data in saved(data).items() if name.endswith("-100.png"))
    assert httpx.get(f"{server.url}/internal/history/{whole['id']}/thumb/0").headers["content-type"] == "image/webp"
