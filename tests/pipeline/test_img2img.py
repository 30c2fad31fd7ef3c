"""img2img and inpainting: from pictures to pictures."""

import hashlib
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from modules.core.errors import InvalidRequest, OutOfMemoryError, UnknownName
from modules.core.events import Cancelled, Finished, ImageReady, JobEvent, Progress
from modules.core.parameters import Img2Img, Inpaint, Picture, Refiner, SoftInpainting, Txt2Img
from modules.core.results import GeneratedImage
from modules.core.settings import Settings, with_changes
from modules.imaging.metadata import read_parameters
from modules.imaging.png import encode_png
from modules.pipeline import limits
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, Pixels, made, picture, pixels, run, stop_at

INPUTS = Path(__file__).parents[1] / "data" / "a1111" / "inputs"
INIT = Picture(data=(INPUTS / "init64.png").read_bytes())
WIDE = Picture(data=(INPUTS / "init96x64.png").read_bytes())
ODD = Picture(data=(INPUTS / "init90x70.png").read_bytes())
GREEN = picture(Image.new("RGB", (64, 64), (0, 160, 40)))


def request(**fields: Any) -> Img2Img:
    usual: dict[str, Any] = {
        "prompt": "a cat",
        "images": (INIT,),
        "denoising_strength": 0.6,
        "sampler": "Euler",
        "steps": 4,
        "seed": 5,
        "width": 64,
        "height": 64,
        "make_grid": False,
    }
    return Img2Img(**usual | fields)


@cache
def square(size: tuple[int, int] = (64, 64), box: tuple[int, int, int, int] = (16, 16, 47, 47)) -> Picture:
    """A mask of a white square in its middle."""
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle(box, fill=255)
    return picture(mask)


def inpaint(mask: Picture | None = None, *, fields: dict[str, Any] | None = None, **others: Any) -> Img2Img:
    return request(inpaint=Inpaint(mask=mask or square(), blur_x=0, blur_y=0, **others), **fields or {})


def same(one: Pixels, other: Pixels) -> bool:
    return np.array_equal(one, other)


def original(source: Picture) -> Pixels:
    return pixels(source.data)


# Pictures


def test_a_picture_decides_what_becomes_of_it(runner: PipelineRunner) -> None:
    assert not same(made(runner, request()), made(runner, request(images=(GREEN,))))


def test_strength_says_how_much_is_made_anew_and_how_many_steps_it_takes(runner: PipelineRunner) -> None:
    pictures: list[Pixels] = []
    for strength, steps in ((0.0, 1), (0.3, 2), (0.6, 3), (1.0, 4)):
        result, events = run(runner, request(denoising_strength=strength))
        pictures.append(pixels(result.images[0].data))
        sampled = [event for event in events if isinstance(event, Progress) and event.stage == "Sampling"]
        assert [event.step for event in sampled] == list(range(1, steps + 1))
    kept = [np.abs(one - pictures[0]).mean() for one in pictures]
    assert kept == sorted(kept)
    assert kept[1] > 0


def test_exact_steps_are_a_setting(runner: PipelineRunner) -> None:
    _, events = run(runner, request(denoising_strength=0.3), with_changes(UNSAVED, {"img2img_fix_steps": True}))
    sampled = [event for event in events if isinstance(event, Progress) and event.stage == "Sampling"]
    assert [event.step for event in sampled] == [1, 2, 3, 4]
    assert sampled[-1].fraction == 1


def test_sizes_are_those_of_the_request(runner: PipelineRunner) -> None:
    image = run(runner, request(width=63, height=72))[0].images[0]
    assert (image.width, image.height) == (56, 72)
    assert "Size: 56x72" in image.infotext


def test_four_ways_to_come_to_that_size(runner: PipelineRunner) -> None:
    modes = ("just resize", "crop and resize", "resize and fill", "latent upscale")
    pictures = [made(runner, request(images=(WIDE,), resize_mode=mode)) for mode in modes]
    for number, one in enumerate(pictures):
        assert one.shape == (64, 64, 3)
        assert not any(same(one, other) for other in pictures[number + 1 :])


def test_one_picture_serves_a_whole_batch(runner: PipelineRunner) -> None:
    batch, _ = run(runner, request(batch_size=2))
    assert [image.seed for image in batch.images] == [5, 6]
    for image in batch.images:
        single = made(runner, request(seed=image.seed))
        assert np.abs(pixels(image.data) - single).max() <= 1


def test_a_batch_may_begin_with_several_pictures(runner: PipelineRunner) -> None:
    batch, _ = run(runner, request(images=(INIT, GREEN), batch_size=2))
    for number, source in enumerate((INIT, GREEN)):
        single = made(runner, request(images=(source,), seed=5 + number))
        assert np.abs(pixels(batch.images[number].data) - single).max() <= 1


@pytest.mark.parametrize(
    "settings",
    [
        {"initial_noise_multiplier": 0.8},
        {"img2img_extra_noise": 0.2},
        {"img2img_fix_steps": True},
        {"img2img_color_correction": True},
        {"randn_source": "NV"},
        {"tiling": True},
    ],
)
def test_settings_change_the_picture(runner: PipelineRunner, settings: dict[str, Any]) -> None:
    assert not same(made(runner, request()), made(runner, request(), **settings))


def test_the_requests_noise_multiplier_wins(runner: PipelineRunner) -> None:
    assert same(
        made(runner, request(initial_noise_multiplier=0.8)), made(runner, request(), initial_noise_multiplier=0.8)
    )
    assert same(made(runner, request(initial_noise_multiplier=1)), made(runner, request()))
    assert same(
        made(runner, request(initial_noise_multiplier=1), initial_noise_multiplier=0.8), made(runner, request())
    )


def test_transparent_parts_get_the_settings_colour(runner: PipelineRunner) -> None:
    glass = request(images=(picture(Image.new("RGBA", (64, 64), (0, 0, 0, 0))),))
    green = request(images=(picture(Image.new("RGB", (64, 64), "#00ff00")),))
    assert same(made(runner, glass, img2img_background_color="#00ff00"), made(runner, green))
    assert not same(made(runner, glass), made(runner, green))


def test_the_settings_upscaler_enlarges_pictures(runner: PipelineRunner) -> None:
    large = request(width=128, height=128)
    usual = made(runner, large)
    assert same(usual, made(runner, large, upscaler_for_img2img="Lanczos"))
    assert not same(usual, made(runner, large, upscaler_for_img2img="Nearest"))


def test_colours_are_those_of_the_original(runner: PipelineRunner) -> None:
    green = request(images=(GREEN,), denoising_strength=1.0)
    plain, corrected = made(runner, green), made(runner, green, img2img_color_correction=True)
    wanted = original(GREEN).mean((0, 1))
    assert np.abs(corrected.mean((0, 1)) - wanted).sum() < np.abs(plain.mean((0, 1)) - wanted).sum() / 2


def test_a_refiner_finishes_these_too(runner: PipelineRunner) -> None:
    refined = request(refiner=Refiner(checkpoint="tiny-sd1b", switch_at=0.3))
    assert not same(made(runner, refined), made(runner, request()))
    with pytest.raises(UnknownName, match="nowhere"):
        run(runner, request(refiner=Refiner(checkpoint="nowhere")))


def test_what_cannot_fit_into_memory_is_refused(runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def a_mebibyte(_device: object) -> int:
        return 2**20

    monkeypatch.setattr(limits, "available_bytes", a_mebibyte)
    with pytest.raises(OutOfMemoryError, match="64×64 in batches of 1"):
        run(runner, request())


@pytest.mark.parametrize(
    ("images", "named"), [((b"no picture",), "The picture is no"), ((b"", b"no picture"), "Picture 2 is no")]
)
def test_a_picture_that_is_none_is_named(runner: PipelineRunner, images: tuple[bytes, ...], named: str) -> None:
    sent = tuple(Picture(data=data) if data else INIT for data in images)
    with pytest.raises(InvalidRequest, match=named):
        run(runner, request(images=sent, batch_size=len(sent)))


def test_pictures_of_different_sizes_cannot_share_a_mask(runner: PipelineRunner) -> None:
    apart = inpaint(fields={"images": (INIT, WIDE), "batch_size": 2})
    with pytest.raises(InvalidRequest, match=r"64×64, 96×64 px"):
        run(runner, apart)


# Masks


def test_what_is_not_masked_stays_to_the_pixel(runner: PipelineRunner) -> None:
    before, after = original(INIT), made(runner, inpaint())
    outside = np.ones((64, 64), bool)
    outside[16:48, 16:48] = False
    assert same(after[outside], before[outside])
    assert not same(after[~outside], before[~outside])
    inverted = made(runner, inpaint(invert=True))
    assert same(inverted[~outside], before[~outside])
    assert not same(inverted[outside], before[outside])


def test_the_original_is_laid_over_only_if_the_setting_says_so(runner: PipelineRunner) -> None:
    bare = made(runner, inpaint(), overlay_inpaint=False)
    assert not same(bare[:16], original(INIT)[:16])
    assert same(bare[20:44, 20:44], made(runner, inpaint())[20:44, 20:44])


def test_blur_makes_the_edge_soft(runner: PipelineRunner) -> None:
    sharp, across, down = (
        made(runner, request(inpaint=Inpaint(mask=square(), blur_x=x, blur_y=y))) for x, y in ((0, 0), (4, 0), (0, 4))
    )
    before = original(INIT)
    assert not same(across[30, :16], before[30, :16])
    assert same(across[:16, 30], before[:16, 30])
    assert not same(down[:16, 30], before[:16, 30])
    assert same(down[30, :16], before[30, :16])
    assert same(sharp[30, :16], before[30, :16])


def test_of_a_transparent_mask_only_the_alpha_counts(runner: PipelineRunner) -> None:
    mask = Image.new("RGBA", (64, 64), (255, 255, 255, 0))
    mask.paste((0, 0, 0, 255), (16, 16, 48, 48))
    assert same(made(runner, inpaint(picture(mask))), made(runner, inpaint()))


def test_grey_masks_are_rounded_unless_asked_otherwise(runner: PipelineRunner) -> None:
    grey = picture(Image.new("L", (64, 64), 100))
    rounded, graded = made(runner, inpaint(grey)), made(runner, inpaint(grey, round_mask=False))
    assert not same(rounded, graded)


def test_four_kinds_of_masked_content(runner: PipelineRunner) -> None:
    contents = ("fill", "original", "latent noise", "latent nothing")
    pictures = [made(runner, inpaint(content=content)) for content in contents]
    for number, one in enumerate(pictures):
        assert not any(same(one, other) for other in pictures[number + 1 :])


@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_only_the_masked_part_is_worked_on_and_put_back(runner: PipelineRunner, sampler: str) -> None:
    mask = square((90, 70), (40, 20, 60, 40))
    asked = inpaint(mask, only_masked=True, padding=4, fields={"images": (ODD,), "sampler": sampler})
    result, _ = run(runner, asked)
    after, before = pixels(result.images[0].data), original(ODD)
    assert after.shape == before.shape
    assert "Size: 64x64" in result.images[0].infotext
    assert "Inpaint area: Only masked, Masked area padding: 4" in result.images[0].infotext
    changed = np.argwhere((after != before).any(-1))
    assert len(changed) > 200
    assert (changed.min(0) >= (20, 40)).all()
    assert (changed.max(0) <= (40, 60)).all()


def test_padding_shows_more_of_what_is_around(runner: PipelineRunner) -> None:
    near, far = (made(runner, inpaint(only_masked=True, padding=padding)) for padding in (0, 16))
    assert not same(near, far)


def test_an_empty_mask_is_said_and_the_whole_picture_is_changed(runner: PipelineRunner) -> None:
    nothing = inpaint(picture(Image.new("L", (64, 64))), only_masked=True)
    result, _ = run(runner, nothing)
    assert "Nothing is masked" in result.notes[0]
    assert same(pixels(result.images[0].data), made(runner, request()))


def test_a_mask_of_another_size_is_refused(runner: PipelineRunner) -> None:
    with pytest.raises(InvalidRequest, match="The mask has 32×48 px, the picture 64×64 px"):
        run(runner, inpaint(square((32, 48))))


def test_a_mask_that_is_none_is_named(runner: PipelineRunner) -> None:
    with pytest.raises(InvalidRequest, match="The mask is no picture"):
        run(runner, inpaint(Picture(data=b"no picture")))


def test_masks_are_shown_if_the_settings_say_so(runner: PipelineRunner) -> None:
    settings = with_changes(UNSAVED, {"return_mask": True, "return_mask_composite": True})
    result, events = run(runner, inpaint(fields={"batch_size": 2, "make_grid": True}), settings)
    grid, *shown = result.images
    assert [image.is_grid for image in result.images] == [True, *[False] * 6]
    assert [image.is_mask for image in shown] == [False, True, True] * 2
    assert (grid.width, grid.height) in ((128, 64), (64, 128))  # of the two pictures alone
    assert len([event for event in events if isinstance(event, ImageReady)]) == 6
    _check_masks(shown)
    assert [image.path for image in shown] == [None] * 6


def _check_masks(shown: list[GeneratedImage]) -> None:
    for finished, mask, composite in (shown[:3], shown[3:]):
        assert mask.seed == composite.seed == finished.seed
        white = pixels(mask.data)[..., 0] == 255
        assert white[16:48, 16:48].all()
        assert white.sum() == 32 * 32
        assert same(pixels(composite.data)[white], pixels(finished.data)[white])


def test_masks_are_not_shown_otherwise(runner: PipelineRunner) -> None:
    assert len(run(runner, inpaint())[0].images) == 1
    settings = with_changes(UNSAVED, {"return_mask": True})
    assert len(run(runner, request(), settings)[0].images) == 1


def test_soft_inpainting_blends_by_what_has_changed(runner: PipelineRunner) -> None:
    hard = inpaint(round_mask=False)
    soft = inpaint(soft=SoftInpainting())
    assert not same(made(runner, hard), made(runner, soft))
    for change in ({"schedule_bias": 4}, {"difference_threshold": 4}, {"transition_contrast_boost": 30}):
        grey = picture(Image.new("L", (64, 64), 128))
        usual, other = (inpaint(grey, soft=SoftInpainting(**fields)) for fields in ({}, change))
        assert not same(made(runner, usual), made(runner, other))


def test_soft_inpainting_of_a_batch(runner: PipelineRunner) -> None:
    asked = inpaint(soft=SoftInpainting(), fields={"batch_size": 2, "batch_count": 2})
    result, _ = run(runner, asked)
    for image in result.images:
        single = made(runner, inpaint(soft=SoftInpainting(), fields={"seed": image.seed}))
        assert np.abs(pixels(image.data) - single).max() <= 1


# Stopping, saving


def test_interrupt_and_skip(runner: PipelineRunner) -> None:
    asked = request(batch_count=2)
    result, events = run(runner, asked, react=stop_at(1, 1, "interrupt"))
    assert isinstance(events[-1], Cancelled)
    assert [image.seed for image in result.images] == [5]
    result, events = run(runner, asked, react=stop_at(0, 1, "skip"))
    assert isinstance(events[-1], Finished)
    assert [image.seed for image in result.images] == [6]
    assert result.notes == ("Batch 1 of 2 was skipped.",)


def test_an_interrupted_inpainting_is_laid_into_its_original(runner: PipelineRunner) -> None:
    settings = with_changes(UNSAVED, {"save_incomplete_images": True})
    result, _ = run(runner, inpaint(), settings, react=stop_at(0, 1, "interrupt"))
    assert same(pixels(result.images[0].data)[:16], original(INIT)[:16])


def test_progress_of_every_batch(runner: PipelineRunner) -> None:
    events: list[JobEvent] = run(runner, request(batch_count=2, denoising_strength=1.0))[1]
    fractions = [event.fraction for event in events if isinstance(event, Progress) and event.stage == "Sampling"]
    assert fractions == pytest.approx([number / 8 for number in range(1, 9)])


@pytest.mark.parametrize(
    ("settings", "pictures", "grids"),
    [
        ({}, "outputs/img2img-images", "outputs/img2img-grids"),
        ({"outdir_img2img_samples": "mine", "outdir_img2img_grids": "my-grids"}, "mine", "my-grids"),
        ({"outdir_samples": "all", "outdir_img2img_samples": "mine", "outdir_grids": "all-grids"}, "all", "all-grids"),
        (
            {"outdir_txt2img_samples": "x", "outdir_txt2img_grids": "x"},
            "outputs/img2img-images",
            "outputs/img2img-grids",
        ),
    ],
)
def test_pictures_and_grids_have_folders_of_their_own(
    runner: PipelineRunner, data: Path, settings: dict[str, Any], pictures: str, grids: str
) -> None:
    settings = settings | {"return_mask": True}
    result, _ = run(runner, inpaint(fields={"batch_size": 2, "make_grid": True}), Settings(**settings))
    saved = [image.path for image in result.images if image.path]
    assert [path.parent.parent for path in saved] == [data / grids, data / pictures, data / pictures]
    assert all(path.exists() for path in saved)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_pictures_it_begins_with_are_saved_if_the_setting_says_so(runner: PipelineRunner, data: Path) -> None:
    asked = request(images=(INIT, GREEN), batch_size=2)
    folder = data / "beginnings"
    run(runner, asked, with_changes(UNSAVED, {"outdir_init_images": "beginnings"}))
    assert not folder.exists()
    settings = with_changes(UNSAVED, {"outdir_init_images": "beginnings", "save_init_img": True})
    run(runner, asked, settings)
    result, _ = run(runner, asked, settings)
    begun = [Image.open(io.BytesIO(source.data)).convert("RGB").tobytes() for source in (INIT, GREEN)]
    hashes = [hashlib.md5(content).hexdigest() for content in begun]
    assert names(folder) == sorted(f"{md5}.png" for md5 in hashes)
    for image, md5 in zip(result.images, hashes, strict=True):
        assert f"Init image hash: {md5}, " in image.infotext
    masked, _ = run(runner, inpaint(), settings)
    assert f"Init image hash: {hashes[0]}, " in masked.images[0].infotext
    assert "Init image hash" not in run(runner, asked)[0].images[0].infotext


def test_an_init_picture_keeps_its_infotext(runner: PipelineRunner, data: Path) -> None:
    told = Picture(data=encode_png(Image.new("RGB", (64, 64), "red"), "a red square"))
    run(runner, request(images=(told,)), with_changes(UNSAVED, {"outdir_init_images": "told", "save_init_img": True}))
    (path,) = (data / "told").iterdir()
    assert read_parameters(path) == "a red square"


@pytest.mark.parametrize(
    ("settings", "saved"),
    [
        ({}, []),
        ({"return_mask": True, "return_mask_composite": True}, []),
        ({"save_mask": True}, ["00001-5-mask.png"]),
        ({"save_mask_composite": True}, ["00001-5-mask-composite.png"]),
        ({"save_mask": True, "save_mask_composite": True}, ["00001-5-mask.png", "00002-5-mask-composite.png"]),
    ],
)
def test_masks_are_saved_if_the_settings_say_so(
    runner: PipelineRunner, data: Path, settings: dict[str, Any], saved: list[str]
) -> None:
    folder = "-".join(["masked", *settings])
    result, _ = run(runner, inpaint(), with_changes(Settings(), settings | {"outdir_samples": folder}))
    assert names(data / folder) == ["00000-5.png", *saved]
    assert len(result.images) == 1 + sum(name.startswith("return") for name in settings)


def test_saved_masks_are_those_that_are_shown(runner: PipelineRunner, data: Path) -> None:
    every = dict.fromkeys(("save_mask", "save_mask_composite", "return_mask", "return_mask_composite"), True)
    result, _ = run(runner, inpaint(), with_changes(Settings(), every | {"outdir_samples": "shown-masks"}))
    assert [image.path and image.path.name for image in result.images] == names(data / "shown-masks")
    assert all(image.path and image.path.read_bytes() == image.data for image in result.images)
    _check_masks([*result.images] * 2)


@pytest.mark.parametrize("masked", [False, True])
def test_pictures_are_saved_before_their_colours_are_corrected(
    runner: PipelineRunner, data: Path, masked: bool
) -> None:
    asked = inpaint() if masked else request()
    folder = f"uncorrected-{masked}"
    keep, correct = {"save_images_before_color_correction": True}, {"img2img_color_correction": True}
    for settings in (keep, correct):
        run(runner, asked, with_changes(Settings(outdir_samples=folder), settings))
    assert names(data / folder) == ["00000-5.png", "00001-5.png"]
    result, _ = run(runner, asked, with_changes(Settings(outdir_samples=folder), keep | correct))
    assert names(data / folder)[2:] == ["00002-5-before-color-correction.png", "00003-5.png"]
    (before,) = (data / folder).rglob("*correction.png")
    assert same(pixels(before.read_bytes()), made(runner, asked))
    assert not same(pixels(before.read_bytes()), pixels(result.images[0].data))
    assert read_parameters(before) == result.images[0].infotext


# Checkpoints with more channels

INPAINTING = {"sd_model_checkpoint": "tiny-sd1-inpainting"}
EDITING = {"sd_model_checkpoint": "tiny-sd1-edit"}


def test_inpainting_checkpoints_are_shown_the_mask(runner: PipelineRunner) -> None:
    usual = made(runner, inpaint(), **INPAINTING)
    assert not same(usual, made(runner, inpaint(square(box=(16, 16, 47, 31))), **INPAINTING))
    assert not same(usual, made(runner, inpaint(), **INPAINTING, inpainting_mask_weight=0.5))
    whole = made(runner, request(resize_mode="latent upscale", images=(WIDE,)), **INPAINTING)
    assert whole.shape == (64, 64, 3)


def test_editing_checkpoints_follow_the_picture_as_closely_as_asked(runner: PipelineRunner) -> None:
    usual = made(runner, request(), **EDITING)
    assert same(usual, made(runner, request(image_cfg_scale=1.5), **EDITING))
    assert not same(usual, made(runner, request(image_cfg_scale=3), **EDITING))
    assert not same(usual, made(runner, request(image_cfg_scale=1), **EDITING))
    assert same(made(runner, request()), made(runner, request(image_cfg_scale=3)))
    batch, _ = run(runner, request(batch_size=2), with_changes(UNSAVED, EDITING))
    assert np.abs(pixels(batch.images[0].data) - usual).max() <= 1
    text = Txt2Img(prompt="a cat", steps=2, width=64, height=64)
    assert made(runner, text, **EDITING).shape == (64, 64, 3)
