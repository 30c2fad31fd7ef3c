"""A real client of A1111's interface, unchanged, against ours."""

import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
import webuiapi  # pyright: ignore[reportMissingTypeStubs]
from fastapi import FastAPI
from PIL import Image

from modules.core.parameters import HiresFix, Img2Img, LoadCheckpoint, Txt2Img
from modules.frontends.backend import Backend
from modules.frontends.http_api.server import create_app, listen
from tests.frontends.http_api.conftest import Until
from tests.frontends.http_api.fakes import PaintingRunner


class Served:
    """An app on a free port of this machine, in a thread."""

    def __init__(self, app: FastAPI) -> None:
        self._socket = listen("127.0.0.1", 0)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()


@pytest.fixture
def api(backend: Backend) -> Iterator[Any]:
    served = Served(create_app(backend))
    yield webuiapi.WebUIApi(host="127.0.0.1", port=served.port)
    served.stop()


def test_it_makes_a_picture(api: Any) -> None:
    result = api.txt2img(prompt="a cat", seed=7, steps=2, width=64, height=64)
    assert result.image.size == (64, 64)
    assert result.info["seed"] == 7
    assert result.info["sampler_name"] == "Euler a"
    assert result.image.info["parameters"] == result.info["infotexts"][0]
    assert result.parameters["eta"] == 1.0


def test_it_makes_several_and_hears_of_errors(api: Any) -> None:
    assert len(api.txt2img(prompt="a cat", steps=1, width=64, height=64, n_iter=2, batch_size=2).images) == 4
    with pytest.raises(RuntimeError, match="restore_faces"):
        api.txt2img(prompt="a cat", restore_faces=True)
    with pytest.raises(RuntimeError, match="hr_scale"):
        api.txt2img(prompt="a cat", enable_hr=True, hr_scale=0)
    with pytest.raises(RuntimeError, match="cut off"):
        api.txt2img(prompt="fail")


def test_it_enlarges_pictures(api: Any, runner: PaintingRunner) -> None:
    result = api.txt2img(
        prompt="a cat", steps=1, width=64, height=64, enable_hr=True, hr_upscaler=webuiapi.HiResUpscaler.Lanczos
    )
    assert result.info["denoising_strength"] == 0.7
    request = runner.last_request
    assert isinstance(request, Txt2Img)
    assert request.hires == HiresFix(upscaler="Lanczos", denoising_strength=0.7)


def test_it_edits_pictures(api: Any, runner: PaintingRunner) -> None:
    picture, mask = Image.new("RGB", (64, 64), "red"), Image.new("L", (64, 64), 255)
    size = {"steps": 1, "width": 64, "height": 64}
    result = api.img2img(images=[picture], prompt="a cat", mask_image=mask, inpainting_fill=1, **size)
    assert result.image.size == (64, 64)
    assert result.info["denoising_strength"] == 0.75
    request = runner.last_request
    assert isinstance(request, Img2Img)
    assert (request.image_cfg_scale, request.initial_noise_multiplier) == (1.5, 1)
    assert Image.open(io.BytesIO(request.images[0].data)).getpixel((0, 0)) == (255, 0, 0)
    assert request.inpaint
    assert (request.inpaint.content, request.inpaint.blur_x, request.inpaint.only_masked) == ("original", 4, True)


def test_it_reads_infotexts(api: Any) -> None:
    result = api.txt2img(prompt="a cat", seed=7, steps=2, width=64, height=64)
    assert api.png_info(result.image).info == result.info["infotexts"][0]


def test_it_reads_and_sets_options_and_changes_the_model(api: Any, runner: PaintingRunner) -> None:
    assert api.get_options()["samples_save"] is True
    assert api.set_options({"samples_save": False}) is None
    assert api.get_options()["samples_save"] is False
    api.util_set_model("tiny")
    assert api.util_get_current_model() == "tiny.safetensors"
    assert [job.settings.sd_model_checkpoint for job in runner.jobs if isinstance(job.request, LoadCheckpoint)] == [
        "tiny.safetensors"
    ]


def test_it_reads_progress_and_interrupts(api: Any, backend: Backend, runner: PaintingRunner, until: Until) -> None:
    assert api.get_progress()["progress"] == 0.0
    results: list[Any] = []
    request = {"prompt": "wait", "steps": 4, "width": 64, "height": 64}
    thread = threading.Thread(target=lambda: results.append(api.txt2img(**request)))
    thread.start()
    runner.gate.release(2)
    until(lambda: (state := backend.jobs.current()) is not None and state.step == 2)
    assert api.get_progress()["progress"] == 0.5
    assert api.skip() == {}
    assert api.interrupt() == {}
    runner.gate.release(1)
    thread.join(20)
    assert results[0].images == []
    api.util_wait_for_ready(check_interval=0.1)


def test_it_lists_what_there_is(api: Any) -> None:
    assert api.util_get_model_names() == ["broken.safetensors", "other.safetensors", "tiny.safetensors"]
    assert "Euler a" in api.util_get_sampler_names()
    assert "karras" in api.util_get_scheduler_names()
    assert [entry["name"] for entry in api.get_upscalers()] == ["None", "Lanczos", "Nearest"]
    assert len(api.get_latent_upscale_modes()) == 6
    assert api.get_prompt_styles() == []
    assert api.get_cmd_flags()["nowebui"] is False
    assert api.get_memory()["ram"]["total"] > 0
    assert api.refresh_checkpoints() is None


def test_it_logs_in(backend: Backend) -> None:
    served = Served(create_app(backend, logins=[("ann", "hush")]))
    api: Any = webuiapi.WebUIApi(host="127.0.0.1", port=served.port, username="ann", password="hush")
    assert len(api.txt2img(prompt="a cat", steps=1, width=64, height=64).images) == 1
    stranger: Any = webuiapi.WebUIApi(host="127.0.0.1", port=served.port)
    with pytest.raises(RuntimeError, match="401"):
        stranger.txt2img(prompt="a cat")
    served.stop()
