"""A real process, real files, real HTTP: pictures are made and bad input is answered with one clear sentence."""

import base64
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from modules.imaging.metadata import read_parameters
from tests.recorded_checkpoint import write_recorded_checkpoint
from tests.server import ROOT, Server, environment, running_server

SMALL = {"prompt": "a red cat", "steps": 2, "seed": 1, "width": 64, "height": 64, "sampler_name": "Euler"}


def b64encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Bomb:
    """Unpickling it would run a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)  # pyright: ignore[reportDeprecated]  # what attackers use


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one good checkpoint and every bad one."""
    folder = tmp_path_factory.mktemp("easel")
    models = folder / "models" / "Stable-diffusion"
    good = write_recorded_checkpoint(models)
    content = good.read_bytes()
    (models / "truncated.safetensors").write_bytes(content[: len(content) // 2])
    shutil.copyfile(ROOT / "tests/data/a1111/001_t2i-euler/image_00.png", models / "picture.safetensors")
    (models / "bomb.ckpt").write_bytes(pickle.dumps({"state_dict": Bomb(folder / "was-run")}))
    shutil.copyfile(good, models / "vanishing.safetensors")
    _write_lora(models / "style.safetensors")
    (folder / "config.json").write_text(json.dumps({"sd_model_checkpoint": "tiny-sd1.safetensors", "their_key": 1}))
    return folder


def _write_lora(path: Path) -> None:
    header = {
        f"lora_unet_down_blocks_0_attentions_0_proj_in.lora_{part}.weight": {
            "dtype": "F32",
            "shape": [1, 4],
            "data_offsets": [16 * index, 16 * index + 16],
        }
        for index, part in enumerate(("down", "up"))
    }
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(32))


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Server]:
    with running_server("--data-dir", str(data), "--nowebui", "--no-half", "--use-cpu", "all") as it:
        yield it


def txt2img(server: Server, **changes: Any) -> httpx.Response:
    text = json.dumps(SMALL | changes)
    return httpx.post(
        f"{server.url}/sdapi/v1/txt2img", content=text, headers={"Content-Type": "application/json"}, timeout=120
    )


def assert_still_works(server: Server) -> None:
    reply = txt2img(server)
    assert reply.status_code == 200, reply.text
    assert len(reply.json()["images"]) == 1


def sentence(reply: httpx.Response) -> str:
    """The error's text, whichever of A1111's two shapes it has."""
    body = reply.json()
    return body["detail"] if isinstance(body["detail"], str) else json.dumps(body["detail"])


def test_a_picture_is_made_and_saved_with_its_infotext(server: Server, data: Path) -> None:
    reply = txt2img(server, save_images=True, n_iter=2)
    assert reply.status_code == 200, reply.text
    saved = sorted((data / "outputs" / "txt2img-images").glob("*/*.png"))
    assert [path.name for path in saved] == ["00000-1.png", "00001-2.png"]
    text = read_parameters(saved[0])
    assert text
    assert "Steps: 2, Sampler: Euler, Schedule type: Automatic, CFG scale: 7" in text
    assert read_parameters(base64.b64decode(reply.json()["images"][1])) == text
    assert len(list((data / "outputs" / "txt2img-grids").glob("*/grid-0000.png"))) == 1


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"width": 0}, 422, "width"),
        ({"width": 8192}, 422, "width"),
        ({"height": float("nan")}, 422, "height"),
        ({"steps": 0}, 422, "steps"),
        ({"steps": 10**6}, 422, "steps"),
        ({"cfg_scale": float("inf")}, 422, "cfg_scale"),
        ({"sampler_name": "DPM++ SKE Karras"}, 422, "DPM++ SDE Karras"),
        ({"prompt": "x" * 100_000}, 422, "prompt"),
        ({"prompt": " AND ".join("x" * 101)}, 422, "101 parts"),
        ({"enable_hr": True, "hr_scale": 0}, 422, "hr_scale"),
        ({"enable_hr": True, "hr_scale": 0.05}, 422, "0×0 px"),
        ({"enable_hr": True, "hr_upscaler": "Lancos"}, 422, "Lanczos"),
        ({"enable_hr": True, "firstpass_image": b64encode(b"no picture")}, 422, "first-pass picture"),
        ({"refiner_checkpoint": "nowhere", "refiner_switch_at": 0.5}, 404, "nowhere"),
        ({"restore_faces": True}, 422, "restore_faces"),
        ({"override_settings": {"no_such_setting": 1}}, 422, "no_such_setting"),
        ({"override_settings": {"sd_model_checkpoint": "nowhere"}}, 404, "nowhere"),
        ({"override_settings": {"sd_model_checkpoint": "truncated"}}, 422, "truncated.safetensors"),
        ({"override_settings": {"sd_model_checkpoint": "picture"}}, 422, "picture.safetensors"),
        ({"override_settings": {"sd_model_checkpoint": "bomb"}}, 422, "system"),
        ({"override_settings": {"sd_model_checkpoint": "style"}}, 422, "LoRA"),
        ({"override_settings": {"outdir_samples": "/etc"}, "save_images": True}, 422, "outdir_samples"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    server: Server, data: Path, changes: dict[str, Any], status: int, word: str
) -> None:
    reply = txt2img(server, **changes)
    assert reply.status_code == status, reply.text
    assert word in sentence(reply)
    assert not (data / "was-run").exists()
    assert_still_works(server)


INIT = b64encode((ROOT / "tests/data/a1111/inputs/init64.png").read_bytes())
MASK = b64encode((ROOT / "tests/data/a1111/inputs/mask64_circle.png").read_bytes())
ODD_MASK = b64encode((ROOT / "tests/data/a1111/inputs/mask90x70_circle.png").read_bytes())


def img2img(server: Server, **changes: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/sdapi/v1/img2img", json=SMALL | {"init_images": [INIT]} | changes, timeout=120)


def test_a_picture_is_edited_and_saved_with_its_infotext(server: Server, data: Path) -> None:
    reply = img2img(server, mask=MASK, save_images=True)
    assert reply.status_code == 200, reply.text
    (saved,) = (data / "outputs" / "img2img-images").glob("*/*.png")
    assert "Denoising strength: 0.75, Mask blur: 4, Inpaint area: Only masked" in (read_parameters(saved) or "")
    assert base64.b64decode(reply.json()["images"][0]) == saved.read_bytes()


def test_a_picture_is_enlarged(server: Server) -> None:
    reply = txt2img(server, enable_hr=True, hr_scale=1.5, hr_upscaler="Lanczos", denoising_strength=0.5)
    assert reply.status_code == 200, reply.text
    assert Image.open(io.BytesIO(base64.b64decode(reply.json()["images"][0]))).size == (96, 96)
    assert "Hires upscale: 1.5, Hires upscaler: Lanczos" in json.loads(reply.json()["info"])["infotexts"][0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"init_images": []}, "init_images"),
        ({"init_images": [], "mask": MASK}, "init_images"),
        ({"init_images": [INIT, INIT]}, "init_images"),
        ({"init_images": ["no base64!"]}, "init_images[0]"),
        ({"init_images": [b64encode(b"no picture")]}, "The picture is no picture"),
        ({"init_images": ["https://example.org/cat.png"]}, "URL"),
        ({"mask": ODD_MASK}, "The mask has 90×70 px, the picture 64×64 px"),
        ({"mask": b64encode(b"no picture")}, "The mask is no picture"),
        ({"mask": MASK, "mask_blur_x": -1}, "mask_blur_x"),
        ({"resize_mode": 7}, "resize_mode"),
        ({"denoising_strength": 2}, "denoising_strength"),
    ],
)
def test_bad_pictures_get_one_clear_sentence(server: Server, changes: dict[str, Any], word: str) -> None:
    reply = img2img(server, **changes)
    assert reply.status_code == 422, reply.text
    assert word in sentence(reply)
    assert_still_works(server)


@pytest.mark.parametrize(
    "prompt", ["🎨🖼️🐈" * 20, "((((a [cat", "]])))(:1.3)", "a AND b [c|d] <lora:x:1>", "\x00\u202e"]
)
def test_odd_prompts_make_a_picture(server: Server, prompt: str) -> None:
    assert txt2img(server, prompt=prompt).status_code == 200


def test_sizes_are_floored_to_whole_latents(server: Server) -> None:
    info = json.loads(txt2img(server, width=63, height=71).json()["info"])
    assert (info["width"], info["height"]) == (56, 64)
    assert "Size: 56x64" in info["infotexts"][0]


def test_a_checkpoint_deleted_after_listing_is_named(server: Server, data: Path) -> None:
    (data / "models" / "Stable-diffusion" / "vanishing.safetensors").unlink()
    reply = txt2img(server, override_settings={"sd_model_checkpoint": "vanishing"})
    assert 400 <= reply.status_code < 500
    assert "vanishing" in sentence(reply)
    assert_still_works(server)


def test_an_output_folder_that_cannot_be_written_is_named(server: Server, data: Path) -> None:
    (data / "blocked").write_text("a file where a folder should be")
    reply = txt2img(server, override_settings={"outdir_samples": "blocked/here"}, save_images=True)
    assert reply.status_code == 507
    assert "blocked" in sentence(reply)
    assert_still_works(server)


def test_unknown_keys_of_the_settings_file_stay(server: Server, data: Path) -> None:
    reply = httpx.post(f"{server.url}/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 1}, timeout=60)
    assert reply.status_code == 200
    assert json.loads((data / "config.json").read_text())["their_key"] == 1


def test_two_servers_on_one_port(server: Server, data: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    second = subprocess.run(
        [sys.executable, "webui.py", "--nowebui", "--data-dir", str(data), "--port", port],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert second.returncode == 1
    assert port in second.stderr
    assert "Traceback" not in second.stderr
    assert_still_works(server)


def test_the_command_line_makes_and_reads_pictures(server: Server, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    command = [sys.executable, "webui.py", "generate", "--prompt", "a red cat", "--steps", "2", "--seed", "1"]
    size = ["--width", "64", "--height", "64", "--sampler", "Euler", "--output", str(output)]
    where = ["--data-dir", str(data), "--no-half", "--use-cpu", "all"]
    subprocess.run([*command, *size, *where], cwd=ROOT, env=environment(), check=True, timeout=120)
    assert output.read_bytes() == base64.b64decode(txt2img(server).json()["images"][0])
    info = subprocess.run(
        [sys.executable, "webui.py", "info", str(output)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert info.stdout.startswith("a red cat\nSteps: 2, Sampler: Euler")
