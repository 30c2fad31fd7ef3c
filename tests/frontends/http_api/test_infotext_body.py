"""The body field `infotext`: it speaks where the client is silent."""

import json
from base64 import b64encode
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from modules.core.parameters import HiresFix, Img2Img, SoftInpainting, Txt2Img
from modules.frontends.backend import Backend
from tests.frontends.http_api.fakes import PaintingRunner
from tests.frontends.http_api.recorded import a1111_answers

PICTURE = b64encode(b"a picture").decode()
HEAD = "a dog\nNegative prompt: bad\nSteps: 5, Sampler: DPM++ 2M, Schedule type: Exponential, CFG scale: 4, Seed: 77"
PLAIN = f"{HEAD}, Size: 64x128, Version: v1.10.1"
HIRES = (
    f"{HEAD}, Size: 64x128, Denoising strength: 0.3, Hires checkpoint: other, Hires sampler: Euler a, "
    "Hires prompt: a cat, Hires negative prompt: ugly, Hires schedule type: Karras, Hires CFG Scale: 2, "
    "Hires resize: 96x192, Hires steps: 3, Hires upscaler: Lanczos, Version: v1.10.1"
)
INPAINTED = (
    f"{HEAD}, Size: 64x128, Denoising strength: 0.3, Mask mode: Inpaint not masked, Mask blur: 9, "
    "Inpaint area: Only masked, Masked area padding: 12, Masked content: latent noise, Noise multiplier: 0.8, "
    "Image CFG scale: 2, Version: v1.10.1"
)
SOFT = f"{HEAD}, Soft inpainting enabled: True, Soft inpainting schedule bias: 2, Version: v1.10.1"


def post(client: TestClient, infotext: str, **fields: Any) -> Response:
    kind = "img2img" if "init_images" in fields else "txt2img"
    return client.post(f"/sdapi/v1/{kind}", json={"infotext": infotext} | fields)


def asked(client: TestClient, runner: PaintingRunner, infotext: str, **fields: Any) -> Any:
    """Return the request that was run."""
    reply = post(client, infotext, **fields)
    assert reply.status_code == 200, reply.text
    return runner.last_request


def test_an_infotext_alone_says_all_that_a1111_takes_from_it(client: TestClient, runner: PaintingRunner) -> None:
    theirs = a1111_answers()["infotext_field"]
    reply = client.post("/sdapi/v1/txt2img", json=theirs["body"])
    told = json.loads(reply.json()["info"])
    assert {name: told[name] for name in theirs["info"]} == theirs["info"]
    assert runner.jobs[-1].settings.eta_noise_seed_delta == theirs["ENSD"]
    parameters = reply.json()["parameters"]
    assert (parameters["prompt"], parameters["steps"]) == (theirs["info"]["prompt"], theirs["info"]["steps"])
    assert parameters["override_settings"]["CLIP_stop_at_last_layers"] == 2


def test_every_common_field(client: TestClient, runner: PaintingRunner) -> None:
    text = PLAIN.replace(
        ", Version",
        ", Variation seed: 9, Variation seed strength: 0.25, Seed resize from: 40x48, NGMS: 2.5, Tiling: True, "
        "Refiner: other, Refiner switch at: 0.6, Eta: 0.5, Version",
    )
    meant = Txt2Img(
        prompt="a dog",
        negative_prompt="bad",
        steps=5,
        sampler="DPM++ 2M",
        scheduler="Exponential",
        cfg_scale=4,
        seed=77,
        subseed=9,
        subseed_strength=0.25,
        seed_resize_from_width=40,
        seed_resize_from_height=48,
        width=64,
        height=128,
        s_min_uncond=2.5,
        tiling=True,
        refiner={"checkpoint": "other", "switch_at": 0.6},  # type: ignore[arg-type] # pydantic makes a Refiner of it
        eta=0.5,
        save_images=False,
        make_grid=False,
    )
    assert asked(client, runner, text) == meant
    edited = asked(client, runner, text, init_images=[PICTURE])
    kept = set(Txt2Img.model_fields) - {"kind", "hires", "first_pass"}
    assert {name: getattr(edited, name) for name in kept} == {name: getattr(meant, name) for name in kept}


def test_every_field_of_the_second_pass(client: TestClient, runner: PaintingRunner) -> None:
    assert asked(client, runner, HIRES).hires == HiresFix(
        width=96,
        height=192,
        upscaler="Lanczos",
        steps=3,
        denoising_strength=0.3,
        sampler="Euler a",
        scheduler="Karras",
        prompt="a cat",
        negative_prompt="ugly",
        checkpoint="other",
        cfg_scale=2,
    )
    scaled = HIRES.replace("Hires resize: 96x192", "Hires upscale: 1.5")
    assert asked(client, runner, scaled).hires.scale == 1.5
    assert asked(client, runner, PLAIN).hires is None
    assert asked(client, runner, HIRES, enable_hr=False).hires is None


def test_every_field_of_img2img(client: TestClient, runner: PaintingRunner) -> None:
    edited = asked(client, runner, INPAINTED, init_images=[PICTURE], mask=PICTURE)
    assert isinstance(edited, Img2Img)
    assert (edited.denoising_strength, edited.initial_noise_multiplier, edited.image_cfg_scale) == (0.3, 0.8, 2)
    mask = edited.inpaint
    assert mask
    assert (mask.blur_x, mask.blur_y, mask.invert, mask.content) == (9, 9, True, "latent noise")
    assert (mask.only_masked, mask.padding, mask.soft) == (True, 12, None)
    assert asked(client, runner, INPAINTED, init_images=[PICTURE]).inpaint is None


def test_an_infotext_that_is_silent_about_masks_means_a1111s_defaults(
    client: TestClient, runner: PaintingRunner
) -> None:
    for text in (PLAIN, f"{HEAD}, Mask blur: 4, Version: v1.10.1"):
        mask = asked(client, runner, text, init_images=[PICTURE], mask=PICTURE).inpaint
        assert (mask.blur_x, mask.blur_y, mask.invert, mask.content) == (4, 4, False, "original")
        assert (mask.only_masked, mask.padding) == (False, 32)


def test_soft_inpainting(client: TestClient, runner: PaintingRunner) -> None:
    masked = {"init_images": [PICTURE], "mask": PICTURE}
    assert asked(client, runner, SOFT, **masked).inpaint.soft == SoftInpainting(schedule_bias=2)
    off: dict[str, Any] = {"alwayson_scripts": {"Soft Inpainting": {"args": [False]}}}
    assert asked(client, runner, SOFT, **masked, **off).inpaint.soft is None
    other: dict[str, Any] = {"alwayson_scripts": {"ControlNet": {"args": []}}}
    assert asked(client, runner, SOFT, **masked, **other).inpaint.soft


@pytest.mark.parametrize(
    ("fields", "path", "meant"),
    [
        ({"prompt": ""}, "prompt", ""),
        ({"steps": 50}, "steps", 50),
        ({"steps": None}, "steps", 5),
        ({"width": 72}, "width", 72),
        ({"width": 72}, "height", 128),
        ({"cfg_scale": 7.0}, "cfg_scale", 7),
        ({"sampler_name": "Heun"}, "sampler", "Heun"),
        ({"sampler_name": "Heun"}, "scheduler", "Exponential"),
        ({"sampler_index": "Heun"}, "sampler", "Heun"),
        ({"scheduler": "Karras"}, "scheduler", "Karras"),
        ({"scheduler": "Karras"}, "sampler", "DPM++ 2M"),
        ({"sampler_name": "Euler a Karras"}, "scheduler", "Karras"),
        ({"sampler_index": "k_dpmpp_2m_ka"}, "scheduler", "Karras"),
        ({"hr_sampler_name": "Heun Exponential"}, "hires.scheduler", "Exponential"),
        ({"hr_sampler_name": "Heun"}, "hires.scheduler", "Karras"),
        ({"hr_prompt": "a bird"}, "hires.prompt", "a bird"),
        ({"denoising_strength": 0.9}, "hires.denoising_strength", 0.9),
    ],
)
def test_what_the_client_sends_wins_be_it_the_default(
    client: TestClient, runner: PaintingRunner, fields: dict[str, Any], path: str, meant: Any
) -> None:
    value: Any = asked(client, runner, HIRES, **fields)
    for name in path.split("."):
        value = getattr(value, name)
    assert value == meant


def test_what_the_client_sends_of_a_mask_wins(client: TestClient, runner: PaintingRunner) -> None:
    masked = {"init_images": [PICTURE], "mask": PICTURE}
    mask = asked(client, runner, INPAINTED, **masked, mask_blur=2, inpainting_fill=1).inpaint
    assert (mask.blur_x, mask.blur_y, mask.content, mask.invert) == (2, 2, "original", True)
    mask = asked(client, runner, INPAINTED, **masked, mask_blur_x=2, inpaint_full_res=False).inpaint
    assert (mask.blur_x, mask.blur_y, mask.only_masked, mask.padding) == (2, 9, False, 12)


def test_settings_are_those_of_the_infotext_unless_the_client_sends_some(
    client: TestClient, backend: Backend, runner: PaintingRunner
) -> None:
    backend.settings.update({"CLIP_stop_at_last_layers": 3, "randn_source": "CPU"}, trusted=True)
    text = PLAIN.replace("Size", "Clip skip: 2, Size")
    asked(client, runner, text)
    settings = runner.jobs[-1].settings
    # silence about the source of noise means A1111's default, not what is chosen here
    assert (settings.CLIP_stop_at_last_layers, settings.randn_source) == (2, "GPU")
    asked(client, runner, text, override_settings={"CLIP_stop_at_last_layers": 4})
    assert runner.jobs[-1].settings.CLIP_stop_at_last_layers == 4


def test_settings_of_an_infotext_are_never_kept(client: TestClient, backend: Backend, runner: PaintingRunner) -> None:
    text = PLAIN.replace("Size", "Clip skip: 2, Size")
    asked(client, runner, text, override_settings={"n_rows": 3}, override_settings_restore_afterwards=False)
    assert runner.jobs[-1].settings.CLIP_stop_at_last_layers == 2
    kept = backend.settings.snapshot()
    assert (kept.n_rows, kept.CLIP_stop_at_last_layers) == (3, 1)


def test_a_checkpoint_that_is_here_is_used(client: TestClient, backend: Backend, runner: PaintingRunner) -> None:
    backend.settings.update({"sd_model_checkpoint": "tiny"}, trusted=True)
    here = PLAIN.replace("Size", "Model hash: 0123456789, Model: other, Size")
    asked(client, runner, here)
    assert runner.jobs[-1].settings.sd_model_checkpoint == "other [0123456789]"
    asked(client, runner, here, override_settings={"sd_model_checkpoint": "tiny"})
    assert runner.jobs[-1].settings.sd_model_checkpoint == "tiny"


def test_for_a_checkpoint_that_is_not_here_the_chosen_one_is_used(
    client: TestClient, backend: Backend, runner: PaintingRunner, caplog: pytest.LogCaptureFixture
) -> None:
    backend.settings.update({"sd_model_checkpoint": "other"}, trusted=True)
    asked(client, runner, PLAIN.replace("Size", "Model hash: 0123456789, Model: dreams, Size"))
    assert runner.jobs[-1].settings.sd_model_checkpoint == "other"
    assert "dreams" in caplog.text


def test_what_has_no_effect_here_is_logged(
    client: TestClient, runner: PaintingRunner, caplog: pytest.LogCaptureFixture
) -> None:
    asked(client, runner, PLAIN.replace("Size", "ADetailer model: face.pt, Size"))
    assert "ADetailer model" in caplog.text


@pytest.mark.parametrize("text", ["a cat", "a dog\nSteps: 5", "a, b: c", "\u202e\x00" * 1000])
def test_a_text_without_parameters_is_no_infotext(client: TestClient, runner: PaintingRunner, text: str) -> None:
    reply = post(client, text)
    assert reply.status_code == 422
    assert "Steps: 20, Sampler: Euler a" in reply.json()["detail"]
    assert runner.jobs == []


@pytest.mark.parametrize("text", ["", " \n", None])
def test_an_empty_infotext_is_none(client: TestClient, runner: PaintingRunner, text: str) -> None:
    assert asked(client, runner, text, prompt="a cat", steps=1).prompt == "a cat"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("DPM++ 2M,", "DPM++ 3N SDE,", "Did you mean “DPM++ 3M SDE”?"),
        ("Exponential", "Karas", "Did you mean “Karras”?"),
        ("Hires sampler: Euler a", "Hires sampler: Eulr a", "Did you mean “Euler a”?"),
        ("Hires schedule type: Karras", "Hires schedule type: Karas", "Did you mean “Karras”?"),
        ("Lanczos", "Lancos", "Did you mean “Lanczos”?"),
        ("Size:", "Clip skip: 13, Size:", "CLIP_stop_at_last_layers"),
    ],
)
def test_what_cannot_be_done_as_the_infotext_says_is_refused(
    client: TestClient, runner: PaintingRunner, old: str, new: str, words: str
) -> None:
    assert old in HIRES
    reply = post(client, HIRES.replace(old, new))
    assert reply.status_code == 422
    assert words in reply.json()["detail"]
    assert runner.jobs == []


def test_a_second_pass_of_unknown_sampler_is_nothing_to_img2img(client: TestClient, runner: PaintingRunner) -> None:
    text = HIRES.replace("Hires sampler: Euler a", "Hires sampler: Eulr a")
    assert asked(client, runner, text, init_images=[PICTURE]).sampler == "DPM++ 2M"


def test_a_value_out_of_range_is_answered_with_its_field(client: TestClient) -> None:
    reply = post(client, PLAIN.replace("Steps: 5", "Steps: 100000"))
    assert reply.status_code == 422
    assert [entry["loc"] for entry in reply.json()["detail"]] == [["body", "steps"]]


def test_a_script_of_the_client_is_refused_beside_an_infotext(client: TestClient) -> None:
    assert post(client, PLAIN, script_name="x/y/z plot").status_code == 422
