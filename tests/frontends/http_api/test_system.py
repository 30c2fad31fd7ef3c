"""Flags and memory."""

from dataclasses import fields
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from modules.core.capabilities import MemoryUse
from modules.core.flags import Flags
from modules.frontends.backend import Backend
from modules.frontends.http_api.server import create_app
from tests.frontends.http_api.fakes import PaintingRunner
from tests.frontends.http_api.recorded import a1111_answers


def test_flags_have_a1111s_names_and_forms(client: TestClient, data: Path) -> None:
    answer = client.get("/sdapi/v1/cmd-flags").json()
    assert set(answer) == {field.name for field in fields(Flags)}
    theirs = a1111_answers()["cmd_flags"]
    assert set(theirs) <= set(answer)
    assert answer["data_dir"] == str(data)
    assert answer["styles_file"] == [str(data / "styles.csv")]
    assert answer["embeddings_dir"] == str(data / "embeddings")
    assert (answer["use_cpu"], answer["ckpt_dir"], answer["port"]) == ([], None, None)


class TestWithPasswords:
    @pytest.fixture
    def flags(self, data: Path) -> Flags:
        return Flags(data_dir=data, gradio_auth=(("ann", "hush"),), api_auth=(("bob", "quiet"),))

    def test_passwords_and_names_are_not_shown(self, backend: Backend) -> None:
        with TestClient(create_app(backend), "http://127.0.0.1") as client:
            reply = client.get("/sdapi/v1/cmd-flags", auth=("bob", "quiet"))
        assert reply.json()["gradio_auth"] == reply.json()["api_auth"] == "********"
        assert not any(word in reply.text for word in ("ann", "hush", "bob", "quiet"))


def test_memory_without_an_accelerator(client: TestClient) -> None:
    answer = client.get("/sdapi/v1/memory").json()
    assert list(answer["ram"]) == list(a1111_answers()["memory"]["ram"])
    assert 0 < answer["ram"]["used"] < answer["ram"]["total"]
    assert answer["cuda"] == a1111_answers()["memory"]["cuda"]


def test_memory_of_an_accelerator(client: TestClient, runner: PaintingRunner) -> None:
    runner.device_memory = MemoryUse(free=3, used=5, total=8)
    client.post("/sdapi/v1/txt2img", json={"steps": 1, "width": 64, "height": 64})
    assert client.get("/sdapi/v1/memory").json()["cuda"] == {"system": {"free": 3, "used": 5, "total": 8}}
