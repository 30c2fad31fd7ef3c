"""What a client is told about finished pictures."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from modules.core.job import Job
from modules.core.parameters import Generation, HiresFix, Img2Img, Picture, Txt2Img
from modules.core.results import GeneratedImage, GenerationResult
from modules.core.samplers import split_combined_name
from modules.core.settings import Settings
from modules.frontends.http_api.generation_info import generation_answer, generation_info
from tests.frontends.http_api.recorded import a1111_answers

CAT = GeneratedImage(
    data=b"cat", infotext="a cat, first", prompt="a cat", negative_prompt="dog", seed=5, subseed=9, width=64, height=64
)
SECOND = replace(CAT, data=b"second", infotext="a cat, second", seed=6, subseed=10)
GRID = replace(CAT, data=b"grid", is_grid=True)
MASK = replace(CAT, data=b"mask", is_mask=True)
PICTURE = Picture(data=b"x")


def job_of(request: Txt2Img | Img2Img, **settings: Any) -> Job:
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Job(id="job", request=request, settings=Settings(**settings), created=created)


def told(request: Txt2Img | Img2Img, *images: GeneratedImage, **settings: Any) -> dict[str, Any]:
    result = GenerationResult(images=images, model_name="tiny", model_hash="0123456789")
    return generation_info(job_of(request, **settings), request, result)


def test_pictures_are_listed_without_grid_and_masks() -> None:
    info = told(Txt2Img(seed=5, batch_size=2), GRID, CAT, MASK, SECOND, MASK)
    assert (info["seed"], info["all_seeds"]) == (5, [5, 6])
    assert (info["subseed"], info["all_subseeds"]) == (9, [9, 10])
    assert (info["prompt"], info["all_prompts"]) == ("a cat", ["a cat", "a cat"])
    assert (info["negative_prompt"], info["all_negative_prompts"]) == ("dog", ["dog", "dog"])
    assert info["index_of_first_image"] == 1
    assert info["infotexts"] == ["a cat, first", "a cat, first", "a cat, second"]  # the first is the grid's
    assert told(Txt2Img(), CAT)["index_of_first_image"] == 0


def test_without_pictures_the_request_speaks() -> None:
    info = told(Txt2Img(prompt="a cat", negative_prompt="dog", seed=5, subseed=9))
    assert (info["all_prompts"], info["all_negative_prompts"]) == (["a cat"], ["dog"])
    assert (info["all_seeds"], info["all_subseeds"], info["infotexts"]) == ([5], [9], [])


@pytest.mark.parametrize(
    ("request_", "field", "value"),
    [
        (Txt2Img(subseed_strength=0.3), "subseed_strength", 0.3),
        (Txt2Img(width=72), "width", 72),
        (Txt2Img(height=80), "height", 80),
        (Txt2Img(sampler="Heun"), "sampler_name", "Heun"),
        (Txt2Img(cfg_scale=3), "cfg_scale", 3),
        (Txt2Img(steps=9), "steps", 9),
        (Txt2Img(batch_size=2), "batch_size", 2),
        (Txt2Img(), "seed_resize_from_w", -1),
        (Txt2Img(seed_resize_from_width=96), "seed_resize_from_w", 96),
        (Txt2Img(seed_resize_from_height=88), "seed_resize_from_h", 88),
        (Txt2Img(), "denoising_strength", None),
        (Txt2Img(hires=HiresFix(denoising_strength=0.3)), "denoising_strength", 0.3),
        (Img2Img(images=(PICTURE,), denoising_strength=0.4), "denoising_strength", 0.4),
        (Txt2Img(styles=("Photo",)), "styles", ["Photo"]),
    ],
)
def test_fields_of_the_request(request_: Txt2Img | Img2Img, field: str, value: Any) -> None:
    assert told(request_, CAT)[field] == value


@pytest.mark.parametrize("case", a1111_answers()["extra_generation_params"].values(), ids=lambda case: case["infotext"])
def test_what_was_out_of_the_ordinary_is_what_a1111_tells(case: dict[str, Any]) -> None:
    request = Txt2Img(sampler=split_combined_name(case["sampler_name"])[0])
    info = told(request, GRID, replace(CAT, infotext=case["infotext"]))
    assert info["extra_generation_params"] == case["extra_generation_params"]
    assert info["is_using_inpainting_conditioning"] is case["is_using_inpainting_conditioning"]


@pytest.mark.parametrize(
    ("sampler", "scheduler", "extra"),
    [
        ("Euler", "Karras", {"Schedule type": "Karras"}),
        ("Euler", "Automatic", {}),
        ("DPM fast", "Karras", {"Schedule type": "Karras"}),
        ("DDIM", "Karras", {}),  # walks over timesteps: A1111 names the schedule type, but as no extra parameter
    ],
)
def test_a_chosen_schedule_type_is_out_of_the_ordinary(sampler: str, scheduler: str, extra: dict[str, str]) -> None:
    infotext = f"a cat\nSteps: 2, Sampler: {sampler}, Schedule type: {scheduler}, Seed: 5"
    info = told(Txt2Img(sampler=sampler), replace(CAT, infotext=infotext))
    assert info["extra_generation_params"] == extra


def test_without_pictures_nothing_is_out_of_the_ordinary() -> None:
    info = told(Txt2Img(scheduler="Karras"))
    assert (info["extra_generation_params"], info["is_using_inpainting_conditioning"]) == ({}, False)


def test_fields_of_the_job() -> None:
    info = told(Txt2Img(), CAT, CLIP_stop_at_last_layers=2)
    assert (info["clip_skip"], info["job_timestamp"]) == (2, "20260102030405")
    assert (info["sd_model_name"], info["sd_model_hash"]) == ("tiny", "0123456789")


def test_the_answer_holds_every_picture_in_base64() -> None:
    request: Generation = Txt2Img()
    result = GenerationResult(images=(CAT, MASK))
    answer = json.loads(generation_answer(job_of(Txt2Img()), request, result, parameters={"a": 1}, send_images=True))
    assert answer["images"] == ["Y2F0", "bWFzaw=="]
    assert answer["parameters"] == {"a": 1}
    silent = json.loads(generation_answer(job_of(Txt2Img()), request, result, parameters={}, send_images=False))
    assert silent["images"] == []
    assert json.loads(silent["info"])["infotexts"] == ["a cat, first"]
