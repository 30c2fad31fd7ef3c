"""Hires. fix: the second pass over what the first one made."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import InvalidRequest, OutOfMemoryError, UnknownName
from modules.core.events import Cancelled, Finished, JobEvent, Progress
from modules.core.parameters import HiresFix, Txt2Img
from modules.core.settings import Settings, with_changes
from modules.core.upscalers import LATENT_MODES
from modules.pipeline import limits
from modules.pipeline.generation import Making
from modules.pipeline.hires import SecondPass
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, made, picture, pixels, run, stop_at

STEPS, MORE_STEPS = 3, 2


def request(hires: dict[str, Any] | None = None, **fields: Any) -> Txt2Img:
    usual: dict[str, Any] = {"scale": 1.5, "denoising_strength": 0.6, "steps": MORE_STEPS}
    return Txt2Img(
        prompt="a cat",
        sampler="Euler",
        steps=STEPS,
        seed=5,
        width=64,
        height=64,
        make_grid=False,
        hires=HiresFix(**usual | (hires or {})),
    ).model_copy(update=fields)


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"scale": 1.3}, (80, 80)),
        ({"width": 96}, (96, 96)),
        ({"height": 72}, (72, 72)),
        ({"width": 128, "height": 96}, (128, 96)),
        ({"width": 72, "height": 96}, (72, 96)),
    ],
)
def test_sizes(runner: PipelineRunner, asked: dict[str, Any], size: tuple[int, int], upscaler: str) -> None:
    (image,) = run(runner, request(asked | {"upscaler": upscaler}))[0].images
    assert (image.width, image.height) == size
    assert pixels(image.data).shape == (size[1], size[0], 3)
    assert "Size: 64x64" in image.infotext


def test_a_size_of_nothing_is_refused(runner: PipelineRunner) -> None:
    with pytest.raises(InvalidRequest, match=r"Hires\. fix would make a picture of 0×0 px"):
        run(runner, request({"scale": 0.1}))


def test_a_size_that_no_memory_holds_is_refused(runner: PipelineRunner) -> None:
    with pytest.raises(InvalidRequest, match="8192 px"):
        run(runner, Txt2Img(width=1024, height=64, steps=1, hires=HiresFix(scale=16)), UNSAVED)


def test_the_old_way_takes_the_size_for_the_finished_picture() -> None:
    settings = Settings(use_old_hires_fix_width_height=True)
    making = cast("Making", SimpleNamespace(settings=settings))
    asked = request(width=1024, height=768)
    assert asked.hires
    second = SecondPass(making, asked, asked.hires)
    assert (second.first_size, second.final_size, second.asked_size) == ((640, 448), (1024, 768), (1024, 768))


def test_latents_are_enlarged_in_six_ways(runner: PipelineRunner) -> None:
    """At 0 strength nothing else happens to them; scaled down, no two ways give the same."""
    ways = [made(runner, request({"upscaler": mode, "scale": 0.75, "denoising_strength": 0})) for mode in LATENT_MODES]
    for number, one in enumerate(ways):
        assert not any(np.array_equal(one, other) for other in ways[number + 1 :])


def test_pictures_are_enlarged_by_the_upscaler_of_the_request(runner: PipelineRunner) -> None:
    none, lanczos, nearest = (made(runner, request({"upscaler": name})) for name in ("None", "Lanczos", "Nearest"))
    assert np.array_equal(none, lanczos)
    assert not np.array_equal(lanczos, nearest)
    assert not np.array_equal(lanczos, made(runner, request({"upscaler": "Latent"})))


@pytest.mark.parametrize(
    "own",
    [
        {"sampler": "Heun"},
        {"scheduler": "Karras"},
        {"steps": 4},
        {"denoising_strength": 0.9},
        {"prompt": "a dog"},
        {"negative_prompt": "ugly"},
        {"cfg_scale": 2},
    ],
)
def test_the_second_pass_may_have_its_own(runner: PipelineRunner, own: dict[str, Any]) -> None:
    assert not np.array_equal(made(runner, request()), made(runner, request(own)))


@pytest.mark.parametrize(
    "same",
    [{"sampler": "Euler"}, {"scheduler": "Automatic"}, {"prompt": "a cat"}, {"cfg_scale": 7}, {"steps": 0}],
)
def test_what_the_second_pass_does_not_say_is_as_in_the_first(runner: PipelineRunner, same: dict[str, Any]) -> None:
    usual = request({"steps": STEPS})
    asked = request({"steps": STEPS} | same)
    assert np.array_equal(made(runner, usual), made(runner, asked))


def test_settings_that_change_the_second_pass(runner: PipelineRunner) -> None:
    usual = made(runner, request())
    assert not np.array_equal(usual, made(runner, request(), img2img_extra_noise=0.2))
    for of_img2img in ({"initial_noise_multiplier": 0.5}, {"img2img_fix_steps": True}):
        assert np.array_equal(usual, made(runner, request(), **of_img2img))


def test_memory_must_suffice_for_the_larger_pass(runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def a_mebibyte(_device: object) -> int:
        return 2**20

    monkeypatch.setattr(limits, "available_bytes", a_mebibyte)
    with pytest.raises(OutOfMemoryError, match="96×96 in batches of 2"):
        run(runner, request(batch_size=2))


# A picture in place of the first pass


@pytest.mark.parametrize("upscaler", ["Lanczos", "Nearest"])
def test_a_picture_may_stand_for_the_first_pass(runner: PipelineRunner, upscaler: str) -> None:
    first = run(runner, request().model_copy(update={"hires": None}))[0].images[0]
    at_once = made(runner, request({"upscaler": upscaler}))
    image = Image.fromarray(pixels(first.data).astype(np.uint8))
    result, events = run(runner, request({"upscaler": upscaler}, first_pass=picture(image)))
    assert np.array_equal(pixels(result.images[0].data), at_once)
    assert len(sampled(events)) == MORE_STEPS


def test_a_first_pass_picture_of_any_size_and_mode_is_fitted(runner: PipelineRunner) -> None:
    seen = [
        run(runner, request(first_pass=picture(Image.new(mode, size, colour)), batch_size=2))[0].images
        for mode, size, colour in (("RGBA", (30, 90), (255, 0, 0, 128)), ("RGBA", (30, 90), (0, 0, 255, 255)))
    ]
    for images in seen:
        assert [(image.width, image.height, image.seed) for image in images] == [(96, 96, 5), (96, 96, 6)]
    assert not np.array_equal(pixels(seen[0][0].data), pixels(seen[1][0].data))


def test_a_first_pass_picture_that_is_none_is_named(runner: PipelineRunner) -> None:
    broken = picture(Image.new("RGB", (8, 8))).model_copy(update={"data": b"no picture"})
    with pytest.raises(InvalidRequest, match="The first-pass picture is no picture"):
        run(runner, request(first_pass=broken))


# Progress and stopping


def sampled(events: list[JobEvent]) -> list[Progress]:
    return [event for event in events if isinstance(event, Progress) and event.stage == "Sampling"]


def test_progress_goes_on_through_both_passes(runner: PipelineRunner) -> None:
    _, events = run(runner, request(batch_count=2))
    steps = sampled(events)
    assert [(event.batch, event.step, event.steps) for event in steps] == [
        (batch, step, 5) for batch in (0, 1) for step in (1, 2, 3, 4, 5)
    ]
    assert [event.fraction for event in steps] == pytest.approx([number / 10 for number in range(1, 11)])
    between = [event for event in events if isinstance(event, Progress) and event.stage == "Upscaling"]
    assert [(event.batch, event.step, event.fraction) for event in between] == [(0, 3, 0.3), (1, 3, 0.8)]
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)


@pytest.mark.parametrize(("step", "size"), [(1, 64), (4, 96)])
def test_interrupt_stops_either_pass(runner: PipelineRunner, step: int, size: int) -> None:
    result, events = run(runner, request(batch_count=2), react=stop_at(0, step, "interrupt"))
    assert isinstance(events[-1], Cancelled)
    assert result.images == ()
    assert sampled(events)[-1].step == step
    kept, _ = run(
        runner,
        request(batch_count=2),
        with_changes(UNSAVED, {"save_incomplete_images": True}),
        react=stop_at(0, step, "interrupt"),
    )
    assert [(image.width, image.seed) for image in kept.images] == [(size, 5)]


@pytest.mark.parametrize("step", [1, 4])
def test_skip_leaves_both_passes_of_a_batch(runner: PipelineRunner, step: int) -> None:
    result, events = run(runner, request(batch_count=2), react=stop_at(0, step, "skip"))
    assert isinstance(events[-1], Finished)
    assert [(image.width, image.seed) for image in result.images] == [(96, 6)]


# Files


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_the_first_pass_is_saved_if_the_setting_says_so(runner: PipelineRunner, data: Path, upscaler: str) -> None:
    settings = Settings(save_images_before_highres_fix=True, outdir_samples=f"before-{upscaler}")
    result, _ = run(runner, request({"upscaler": upscaler}, batch_size=2), settings)
    saved = sorted((data / f"before-{upscaler}").rglob("*.png"))
    assert [path.name for path in saved] == [
        "00000-5-before-highres-fix.png",
        "00001-6-before-highres-fix.png",
        "00002-5.png",
        "00003-6.png",
    ]
    assert [Image.open(path).size for path in saved] == [(64, 64), (64, 64), (96, 96), (96, 96)]
    assert len(result.images) == 2
    run(runner, request({"upscaler": upscaler}, save_images=False), settings)
    run(runner, request({"upscaler": upscaler}), settings.model_copy(update={"samples_save": False}))
    assert len(list((data / f"before-{upscaler}").rglob("*.png"))) == 4


def test_the_first_pass_is_not_even_decoded_where_nothing_is_saved(
    runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("this takes time for nothing")

    monkeypatch.setattr(SecondPass, "_decoded", refuse)
    settings = Settings(save_images_before_highres_fix=True)
    assert len(run(runner, request({"upscaler": "Latent"}, save_images=False), settings)[0].images) == 1


# Other checkpoints


def test_the_second_pass_may_have_another_checkpoint(runner: PipelineRunner) -> None:
    result, _ = run(runner, request({"checkpoint": "tiny-sd1b"}))
    assert not np.array_equal(pixels(result.images[0].data), made(runner, request()))
    assert "Hires checkpoint: variants/tiny-sd1b.safetensors [0dd9da1b35]" in result.images[0].infotext
    assert result.model_name == "tiny-sd1"
    with pytest.raises(UnknownName, match="nowhere"):
        run(runner, request({"checkpoint": "nowhere"}))


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos"])
def test_inpainting_checkpoints_have_second_passes_too(runner: PipelineRunner, upscaler: str) -> None:
    settings = with_changes(UNSAVED, {"sd_model_checkpoint": "tiny-sd1-inpainting"})
    result, _ = run(runner, request({"upscaler": upscaler, "width": 72, "height": 96}), settings)
    assert [(image.width, image.height) for image in result.images] == [(72, 96)]
