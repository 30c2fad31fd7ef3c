"""`POST /sdapi/v1/txt2img` as A1111's clients know it."""

import io
import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image

from modules.core.version import INFOTEXT_VERSION
from modules.frontends.backend import Backend
from tests.frontends.http_api.conftest import Until
from tests.frontends.http_api.fakes import PaintingRunner
from tests.frontends.http_api.recorded import a1111_answers

URL = "/sdapi/v1/txt2img"
SMALL = {"prompt": "a cat", "steps": 2, "seed": 7, "width": 64, "height": 64}


def post(client: TestClient, **fields: Any) -> Response:
    # by hand, since httpx refuses to write NaN
    return client.post(URL, content=json.dumps(SMALL | fields), headers={"content-type": "application/json"})


def info(reply: Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = json.loads(reply.json()["info"])
    return told


def faulty_fields(reply: Response) -> list[str]:
    assert reply.status_code == 422, reply.text
    return [entry["loc"][1] for entry in reply.json()["detail"]]


def test_a_picture_comes_with_its_infotext_and_the_request(client: TestClient) -> None:
    reply = post(client, negative_prompt="blurry", cfg_scale=5, sampler_name="Euler a", styles=["Photo"])
    assert set(reply.json()) == {"images", "parameters", "info"}
    picture = Image.open(io.BytesIO(b64decode(reply.json()["images"][0])))
    assert (picture.format, picture.size) == ("PNG", (64, 64))
    assert picture.text["parameters"] == info(reply)["infotexts"][0]  # type: ignore[attr-defined] # a PngImageFile
    parameters = reply.json()["parameters"]
    assert (parameters["prompt"], parameters["sampler_name"], parameters["steps"]) == ("a cat", "Euler a", 2)
    assert (parameters["n_iter"], parameters["sampler_index"], parameters["enable_hr"]) == (1, "Euler", False)
    told = info(reply)
    assert (told["sampler_name"], told["cfg_scale"], told["styles"]) == ("Euler a", 5.0, ["Photo"])
    assert told["version"] == INFOTEXT_VERSION


@pytest.mark.parametrize(
    ("recorded", "fields"),
    [
        ("info_of_one_picture", {"steps": 8}),
        ("info_of_four_with_grid", {"steps": 6, "batch_size": 4, "save_images": True}),
    ],
)
def test_info_has_the_keys_and_values_of_a1111(client: TestClient, recorded: str, fields: dict[str, Any]) -> None:
    theirs = a1111_answers()[recorded]
    request = {name: theirs[name] for name in ("prompt", "negative_prompt", "seed", "subseed", "sampler_name")}
    told = info(post(client, **request, **fields))
    assert [name for name in told if name not in ("job_timestamp", "notes")] == list(theirs)
    assert len(told["job_timestamp"]) == 14
    ours_alone = {"sd_model_name", "sd_model_hash", "infotexts", "version", "all_subseeds"}
    assert {name: told[name] for name in theirs if name not in ours_alone} == {
        name: value for name, value in theirs.items() if name not in ours_alone
    }
    assert len(told["infotexts"]) == len(theirs["infotexts"])


def test_a_grid_comes_first_and_only_for_who_saves(client: TestClient, runner: PaintingRunner) -> None:
    saved = post(client, n_iter=2, batch_size=2, save_images=True)
    assert len(saved.json()["images"]) == 5
    assert info(saved)["index_of_first_image"] == 1
    assert info(saved)["all_seeds"] == [7, 8, 9, 10]
    plain = post(client, n_iter=2)
    assert len(plain.json()["images"]) == 2
    assert info(plain)["index_of_first_image"] == 0
    assert (runner.last_request.save_images, runner.last_request.make_grid) == (False, False)
    post(client, n_iter=2, save_images=True, do_not_save_samples=True)
    assert (runner.last_request.save_images, runner.last_request.make_grid) == (False, True)
    post(client, n_iter=2, save_images=True, do_not_save_grid=True)
    assert (runner.last_request.save_images, runner.last_request.make_grid) == (True, False)


def test_defaults_are_those_of_a1111s_interface(client: TestClient, runner: PaintingRunner) -> None:
    assert client.post(URL, json={}).status_code == 200
    request = runner.last_request
    assert (request.sampler, request.scheduler, request.steps, request.cfg_scale) == ("Euler", "Automatic", 50, 7.0)
    assert (request.width, request.height, request.batch_count, request.batch_size) == (512, 512, 1, 1)
    assert (request.eta, request.save_images) == (None, False)
    assert 0 <= request.seed < 2**32


@pytest.mark.parametrize(
    ("fields", "sampler", "scheduler"),
    [
        ({"sampler_name": "DPM++ 2M Karras"}, "DPM++ 2M", "Karras"),
        ({"sampler_index": "k_euler_a"}, "Euler a", "Automatic"),
        ({"sampler_name": "Heun", "sampler_index": "Euler"}, "Heun", "Automatic"),
        ({"sampler_name": "", "sampler_index": "Heun"}, "Heun", "Automatic"),
        ({"sampler_name": "Euler", "scheduler": "exponential"}, "Euler", "Exponential"),
        ({"sampler_name": "Euler", "scheduler": None}, "Euler", "Automatic"),
    ],
)
def test_samplers_go_by_all_their_names(
    client: TestClient, runner: PaintingRunner, fields: dict[str, Any], sampler: str, scheduler: str
) -> None:
    assert post(client, **fields).status_code == 200
    assert (runner.last_request.sampler, runner.last_request.scheduler) == (sampler, scheduler)


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({"sampler_name": "DPM++ SKE Karras"}, "DPM++ SDE Karras"),
        ({"sampler_index": "Eulr"}, "Euler"),
        ({"scheduler": "Karas"}, "Karras"),
        ({"enable_hr": True, "hr_sampler_name": "Eulr a"}, "Euler a"),
        ({"enable_hr": True, "hr_scheduler": "Karas"}, "Karras"),
        ({"enable_hr": True, "hr_upscaler": "Lancos"}, "Lanczos"),
    ],
)
def test_a_name_with_a_typo_is_answered_with_the_name_that_was_meant(
    client: TestClient, runner: PaintingRunner, fields: dict[str, Any], meant: str
) -> None:
    reply = post(client, **fields)
    assert reply.status_code == 422
    answer = reply.json()
    assert set(answer) == {"error", "detail", "body", "errors"}
    assert f"Did you mean “{meant}”?" in answer["detail"]
    assert list(fields.values())[-1] in answer["detail"]
    assert answer["errors"] == answer["detail"]
    assert runner.jobs == []


def test_a_name_unlike_all_others_is_answered_with_those_there_are(client: TestClient) -> None:
    for field, one in (("sampler_name", "Euler a"), ("scheduler", "Karras")):
        reply = post(client, **{field: "nonsense"})
        assert reply.status_code == 422
        assert one in reply.json()["detail"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 0),
        ("width", 8192),
        ("width", float("nan")),
        ("width", 63.5),
        ("height", float("inf")),
        ("height", "tall"),
        ("steps", 0),
        ("steps", 10**6),
        ("steps", 10**400),
        ("cfg_scale", float("-inf")),
        ("cfg_scale", -1),
        ("n_iter", 0),
        ("batch_size", 65),
        ("seed", 2**70),
        ("eta", 2),
        ("subseed_strength", 1.5),
        ("s_noise", -1),
        ("prompt", "x" * 100_000),
        ("prompt", ["a list"]),
        ("prompt", "half a \ud800 character"),
        ("script_args", [float("nan")]),
        ("override_settings", "none"),
    ],
)
def test_bad_values_are_answered_with_the_fields_name(client: TestClient, field: str, value: Any) -> None:
    reply = post(client, **{field: value})
    assert faulty_fields(reply) == [field]
    assert len(reply.content) < 1500
    assert post(client).status_code == 200


def test_a_body_that_is_no_json_is_refused(client: TestClient) -> None:
    for content in (b"{", b"[1]", b'"text"', b"\xff", b"[" * 100_000, b'{"steps": ' + b"1" * 5000 + b"}"):
        reply = client.post(URL, content=content, headers={"content-type": "application/json"})
        assert reply.status_code in (400, 422), (content[:20], reply.text)
        assert reply.json()["detail"]


def test_63_pixels_are_56(client: TestClient) -> None:
    assert info(post(client, width=63))["width"] == 56


def test_pictures_may_be_left_out_of_the_answer(client: TestClient) -> None:
    reply = post(client, send_images=False)
    assert reply.json()["images"] == []
    assert len(info(reply)["infotexts"]) == 1


def test_overrides_are_for_this_request_only(client: TestClient, backend: Backend, runner: PaintingRunner) -> None:
    reply = post(client, override_settings={"CLIP_stop_at_last_layers": 2})
    assert info(reply)["clip_skip"] == 2
    assert runner.jobs[-1].settings.CLIP_stop_at_last_layers == 2
    assert backend.settings.snapshot().CLIP_stop_at_last_layers == 1
    assert info(post(client))["clip_skip"] == 1


def test_overrides_may_be_kept(client: TestClient, backend: Backend) -> None:
    post(client, override_settings={"n_rows": 3}, override_settings_restore_afterwards=False)
    assert backend.settings.snapshot().n_rows == 3


@pytest.mark.parametrize(
    ("overrides", "status", "word"),
    [
        ({"no_such_setting": 1}, 422, "no_such_setting"),
        ({"n_rows": "many"}, 422, "n_rows"),
        ({"n_rows": "x" * 100_000}, 422, "n_rows"),
        ({"outdir_samples": "/etc"}, 422, "outdir_samples"),
        ({"outdir_txt2img_samples": "../elsewhere"}, 422, "outdir_txt2img_samples"),
        ({"outdir_samples": "nu\0ll"}, 422, "outdir_samples"),
        ({"sd_model_checkpoint": "nowhere"}, 404, "nowhere"),
    ],
)
def test_bad_overrides_are_refused_before_the_job_waits(
    client: TestClient, backend: Backend, runner: PaintingRunner, overrides: dict[str, Any], status: int, word: str
) -> None:
    for restored in (True, False):
        reply = post(client, override_settings=overrides, override_settings_restore_afterwards=restored)
        assert reply.status_code == status, reply.text
        assert word in reply.json()["detail"]
        assert len(reply.content) < 6000
    assert runner.jobs == []
    assert not set(overrides) & set(json.loads(_settings_text(backend.paths.settings_file)))


def _settings_text(file: Path) -> str:
    return file.read_text("utf-8") if file.exists() else "{}"


def test_an_output_folder_inside_the_data_folder_may_be_chosen(client: TestClient, runner: PaintingRunner) -> None:
    assert post(client, override_settings={"outdir_samples": "pictures/of today"}).status_code == 200
    assert runner.jobs[-1].settings.outdir_samples == "pictures/of today"


def test_a_failure_has_its_status_and_sentence(client: TestClient) -> None:
    reply = post(client, prompt="fail")
    assert reply.status_code == 422
    assert reply.json() == {
        "error": "ModelFileError",
        "detail": "tiny.safetensors is cut off. Download it again.",
        "body": "",
        "errors": "tiny.safetensors is cut off. Download it again.",
    }
    assert post(client).status_code == 200


def test_an_unexpected_failure_shows_no_traceback(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    reply = post(client, prompt="crash")
    assert reply.status_code == 500
    assert reply.json()["error"] == "ZeroDivisionError"
    assert "Traceback" not in reply.text
    assert "Traceback" in caplog.text


def test_a_task_is_known_by_the_id_its_client_chose(client: TestClient, runner: PaintingRunner, until: Until) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(post, client, prompt="wait", force_task_id="mine")
        until(lambda: client.post("/internal/progress", json={"id_task": "mine"}).json()["active"])
        taken = post(client, force_task_id="mine")
        assert taken.status_code == 409
        runner.gate.release(2)
        assert first.result().status_code == 200
    assert post(client, force_task_id="").status_code == 422


def test_an_interrupted_request_answers_with_what_is_finished(
    client: TestClient, backend: Backend, runner: PaintingRunner, until: Until
) -> None:
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(post, client, prompt="wait", n_iter=3)
        runner.gate.release(3)
        until(lambda: (state := backend.jobs.current()) is not None and state.batch == 1)
        assert client.post("/sdapi/v1/interrupt").json() == {}
        runner.gate.release(1)
        assert info(reply.result())["all_seeds"] == [7]
    assert len(reply.result().json()["images"]) == 1


def test_a_request_that_was_interrupted_at_once_answers_too(
    client: TestClient, backend: Backend, runner: PaintingRunner, until: Until
) -> None:
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(post, client, prompt="wait")
        until(lambda: backend.jobs.current() is not None)
        client.post("/sdapi/v1/interrupt")
        runner.gate.release(1)
        assert reply.result().json()["images"] == []
    assert info(reply.result())["all_seeds"] == [7]


def test_many_requests_wait_without_a_thread_each(
    client: TestClient, backend: Backend, runner: PaintingRunner, until: Until
) -> None:
    """More than the 40 threads that FastAPI has: were each request to hold one, the server would answer no more."""
    with ThreadPoolExecutor(60) as pool:
        replies = [pool.submit(post, client, prompt="wait", steps=1) for _ in range(60)]
        until(lambda: len(backend.jobs.pending()) == 59)
        assert client.get("/sdapi/v1/options").status_code == 200
        runner.gate.release(60)
        assert {reply.result().status_code for reply in replies} == {200}


def test_half_surrogates_come_back_as_they_were_sent(client: TestClient) -> None:
    body = b'{"steps": 1, "comments": {"note": "\\ud800"}, "send_images": false}'
    reply = client.post("/sdapi/v1/txt2img", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 200
    assert b"\\ud800" in reply.content
