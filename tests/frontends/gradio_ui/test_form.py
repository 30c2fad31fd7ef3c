"""Reading the txt2img form: what is typed becomes a request, or a sentence that names the field."""

import io
from typing import Any

import pytest
from PIL import Image

from modules.core.errors import EaselError, InvalidRequest
from modules.core.parameters import HiresFix, Img2Img, Inpaint, Picture, Refiner, SoftInpainting, Txt2Img
from modules.frontends.gradio_ui.form import (
    IMG2IMG_FIELDS,
    SAME_CHECKPOINT,
    SAME_SAMPLER,
    SAME_SCHEDULER,
    TXT2IMG_FIELDS,
    defaults,
    read_img2img,
    read_txt2img,
)

FILLED: dict[str, Any] = {
    "prompt": "a red cat",
    "negative_prompt": "dog",
    "styles": ["Photo"],
    "sampler": "Euler a",
    "scheduler": "Karras",
    "steps": 30,
    "width": 640,
    "height": 512,
    "batch_count": 2,
    "batch_size": 4,
    "cfg_scale": 6.5,
    "seed": "123",
    "seed_extra": True,
    "subseed": "9007199254740993",
    "subseed_strength": 0.3,
    "seed_resize_from_width": 512,
    "seed_resize_from_height": 448,
    "enable_hr": True,
    "hr_upscaler": "Lanczos",
    "hr_steps": 9,
    "hr_denoising": 0.45,
    "hr_scale": 1.5,
    "hr_width": 800,
    "hr_height": 704,
    "hr_checkpoint": "other.safetensors",
    "hr_sampler": "Heun",
    "hr_scheduler": "Exponential",
    "hr_prompt": "sharp",
    "hr_negative_prompt": "blurred",
    "enable_refiner": True,
    "refiner_checkpoint": "refiner.safetensors",
    "refiner_switch_at": 0.6,
    "overrides": ["Clip skip: 2"],
}


def test_every_field_reaches_the_request() -> None:
    assert list(FILLED) == [field.name for field in TXT2IMG_FIELDS]
    assert read_txt2img(FILLED) == Txt2Img(
        prompt="a red cat",
        negative_prompt="dog",
        styles=("Photo",),
        sampler="Euler a",
        scheduler="Karras",
        steps=30,
        width=640,
        height=512,
        batch_count=2,
        batch_size=4,
        cfg_scale=6.5,
        seed=123,
        subseed=9007199254740993,
        subseed_strength=0.3,
        seed_resize_from_width=512,
        seed_resize_from_height=448,
        hires=HiresFix(
            upscaler="Lanczos",
            steps=9,
            denoising_strength=0.45,
            scale=1.5,
            width=800,
            height=704,
            checkpoint="other.safetensors",
            sampler="Heun",
            scheduler="Exponential",
            prompt="sharp",
            negative_prompt="blurred",
        ),
        refiner=Refiner(checkpoint="refiner.safetensors", switch_at=0.6),
    )


def test_a_fresh_form_asks_for_the_defaults() -> None:
    assert read_txt2img(defaults(TXT2IMG_FIELDS)) == Txt2Img()


def test_parts_that_are_off_do_not_count() -> None:
    off = {"seed_extra": False, "enable_hr": False, "enable_refiner": False}
    request = read_txt2img(FILLED | off | {"hr_scale": None, "refiner_checkpoint": None, "subseed": "nonsense"})
    assert (request.hires, request.refiner, request.subseed_strength) == (None, None, 0)


def test_the_same_as_in_the_first_pass_is_left_out() -> None:
    same = {"hr_checkpoint": SAME_CHECKPOINT, "hr_sampler": SAME_SAMPLER, "hr_scheduler": SAME_SCHEDULER}
    hires = read_txt2img(FILLED | same).hires
    assert hires is not None
    assert (hires.checkpoint, hires.sampler, hires.scheduler) == (None, None, None)


@pytest.mark.parametrize(
    ("typed", "seed"), [("-1", -1), ("", -1), (" 42 ", 42), ("9007199254740993", 9007199254740993)]
)
def test_the_seed_is_read_exactly(typed: str, seed: int) -> None:
    assert read_txt2img(FILLED | {"seed": typed}).seed == seed


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("width", 0, "Width: input should be greater than or equal to 8, not 0."),
        ("height", 8192, "Height: input should be less than or equal to 4096, not 8192."),
        ("width", None, "Width is empty: enter a value."),
        (
            "steps",
            20.5,
            "Sampling steps: input should be a valid integer, got a number with a fractional part, not 20.5.",
        ),
        ("steps", 10**6, "Sampling steps: input should be less than or equal to 1000, not 1000000."),
        ("cfg_scale", float("nan"), "CFG Scale: input should be a finite number, not nan."),
        ("seed", "abc", "Seed: enter a whole number, or -1 for a random one, not abc."),
        ("hr_scale", 99, "Upscale by: input should be less than or equal to 16, not 99."),
        ("refiner_checkpoint", None, "Checkpoint is empty: enter a value."),
        ("subseed", "x", "Variation seed: enter a whole number, or -1 for a random one, not x."),
        ("sampler", "Eulr", "Sampler not found: “Eulr”."),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: object, sentence: str) -> None:
    with pytest.raises(EaselError) as refused:
        read_txt2img(FILLED | {name: value})
    assert str(refused.value).startswith(sentence)


def test_a_long_value_is_not_repeated_in_full() -> None:
    with pytest.raises(EaselError) as refused:
        read_txt2img(FILLED | {"prompt": "x" * 100_000})
    assert str(refused.value).startswith("Prompt: ")
    assert "(100000 characters)" in str(refused.value)
    assert len(str(refused.value)) < 200


def png(width: int, height: int) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (width, height)).save(packed, "PNG")
    return packed.getvalue()


FILES = {"picture": png(96, 64), "mask": png(96, 65)}
FROM_PICTURE = defaults(IMG2IMG_FIELDS) | {"image": "picture", "mask": "mask"}


def img2img(**changes: Any) -> Img2Img:
    return read_img2img(FROM_PICTURE | changes, lambda name: FILES[name])


def test_a_fresh_form_asks_for_the_defaults_of_img2img() -> None:
    assert img2img() == Img2Img(images=(Picture(data=FILES["picture"]),))


@pytest.mark.parametrize("mode", ["inpaint", "inpaint_sketch", "inpaint_upload"])
def test_every_field_of_inpainting_reaches_the_request(mode: str) -> None:
    request = img2img(
        mode=mode,
        resize_mode="Resize and fill",
        denoising_strength=0.6,
        mask_blur=7,
        mask_mode="Inpaint not masked",
        masked_content="latent noise",
        inpaint_area="Only masked",
        padding=12,
        soft=True,
        soft_schedule_bias=2,
        soft_preservation=0.7,
        soft_contrast=3,
        soft_mask=0.1,
        soft_threshold=0.6,
        soft_difference=1.5,
    )
    assert (request.resize_mode, request.denoising_strength) == ("resize and fill", 0.6)
    assert request.inpaint == Inpaint(
        mask=Picture(data=FILES["mask"]),
        blur_x=7,
        blur_y=7,
        invert=True,
        content="latent noise",
        only_masked=True,
        padding=12,
        soft=SoftInpainting(
            schedule_bias=2,
            preservation_strength=0.7,
            transition_contrast_boost=3,
            mask_influence=0.1,
            difference_threshold=0.6,
            difference_contrast=1.5,
        ),
    )


def test_a_mask_counts_only_when_inpainting() -> None:
    assert img2img(mode="sketch").inpaint is None
    assert img2img(mode="img2img", mask_blur=None, mask="").inpaint is None


def test_a_size_may_be_a_factor() -> None:
    request = img2img(size_mode="Resize by", scale=1.5)
    assert (request.width, request.height) == (144, 96)
    with pytest.raises(InvalidRequest, match="Scale"):
        img2img(size_mode="Resize by", scale=None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": ""}, "There is no picture to begin with"),
        ({"mode": "inpaint", "mask": ""}, "Nothing is masked"),
        ({"mode": "inpaint", "mask_blur": 999}, "Mask blur: "),
        ({"denoising_strength": 2}, "Denoising strength: "),
        ({"resize_mode": "Stretch"}, "Resize mode: "),
    ],
)
def test_what_does_not_fit_img2img_is_said(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(EaselError, match=sentence):
        img2img(**changes)
