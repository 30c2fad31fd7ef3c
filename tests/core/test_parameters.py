import math
import pickle
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from modules.core.errors import UnknownName
from modules.core.parameters import (
    MAX_HIRES_SIDE,
    MAX_PICTURE_BYTES,
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    GenerationRequest,
    HiresFix,
    Img2Img,
    Inpaint,
    LoadCheckpoint,
    Picture,
    Refiner,
    SoftInpainting,
    Txt2Img,
)

REQUEST = TypeAdapter[Any](GenerationRequest)
PICTURE = Picture(data=b"\x89PNG\r\n\x1a\n\x00\xff")


def refusal(kind: type[BaseModel], **fields: Any) -> str:
    """Return the sentence with which these fields are refused."""
    with pytest.raises(ValidationError) as raised:
        kind.model_validate(fields)
    return raised.value.errors()[0]["msg"]


def test_defaults_are_those_of_the_tab() -> None:
    request = Txt2Img()
    assert (request.steps, request.cfg_scale, request.width, request.height) == (20, 7.0, 512, 512)
    assert (request.seed, request.sampler, request.scheduler) == (-1, "DPM++ 2M", "Automatic")


@pytest.mark.parametrize(("asked", "made"), [(8, 8), (63, 56), (64, 64), (513, 512), (MAX_SIDE, MAX_SIDE)])
def test_sides_are_rounded_down_to_whole_latents(asked: int, made: int) -> None:
    request = Txt2Img(width=asked, height=asked)
    assert (request.width, request.height) == (made, made)


@pytest.mark.parametrize("field", ["width", "height"])
@pytest.mark.parametrize("value", [0, -64, 7, 8192, math.nan, math.inf, 64.5, "wide", None, 10**400])
def test_impossible_sides_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        Txt2Img.model_validate({field: value})
    assert raised.value.errors()[0]["loc"] == (field,)


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("steps", (0, -1, 10**6, math.nan, 1.5), (1, 20, MAX_STEPS)),
        ("cfg_scale", (-1, 101, math.nan, math.inf), (0, 1, 7.5, 100)),
        ("seed", (2**63, -(2**63), math.nan, 0.5), (-1, 0, MAX_SEED)),
        ("batch_size", (0, 65), (1, 64)),
        ("batch_count", (0, 1001), (1, 1000)),
        ("eta", (-0.1, 1.1, math.nan), (None, 0, 1)),
        ("prompt", ("a" * 100_000, 5), ("", "😀" * MAX_PROMPT_CHARACTERS, "((([[[")),
        ("negative_prompt", ("a" * 100_000,), ("a" * MAX_PROMPT_CHARACTERS,)),
        ("kind", ("img2img",), ("txt2img",)),
        ("subseed", (2**63, 0.5), (-1, 0, MAX_SEED)),
        ("subseed_strength", (-0.1, 1.1, math.nan, None), (0, 0.3, 1)),
        ("seed_resize_from_width", (-1, MAX_SIDE + 1), (0, 63, MAX_SIDE)),
        ("seed_resize_from_height", (-1, MAX_SIDE + 1), (0, 63, MAX_SIDE)),
        ("s_churn", (-1, 101, math.inf), (None, 0, 100)),
        ("s_tmin", (-1, math.nan), (None, 0, 10)),
        ("s_tmax", (-1, math.inf), (None, 0, 999)),
        ("s_noise", (-1, 2.1), (None, 0, 1.05)),
        ("s_min_uncond", (-1, math.nan), (None, 0, 15)),
        ("tiling", ("perhaps",), (None, True, False)),
    ],
)
def test_limits(field: str, wrong: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    for value in wrong:
        with pytest.raises(ValidationError) as raised:
            Txt2Img.model_validate({field: value})
        assert raised.value.errors()[0]["loc"] == (field,)
    for value in right:
        assert getattr(Txt2Img.model_validate({field: value}), field) == value


def test_unknown_fields_are_refused() -> None:
    for kind in (Txt2Img, Img2Img, HiresFix, Inpaint, Refiner, SoftInpainting):
        with pytest.raises(ValidationError, match="stepz"):
            kind.model_validate({"stepz": 20})


def test_names_are_made_canonical() -> None:
    request = Txt2Img(sampler="k_euler_a", scheduler="KARRAS")
    assert (request.sampler, request.scheduler) == ("Euler a", "Karras")
    hires = HiresFix(sampler="k_heun", scheduler="sgm_uniform", upscaler="LATENT (bicubic)")
    assert (hires.sampler, hires.scheduler, hires.upscaler) == ("Heun", "SGM Uniform", "Latent (bicubic)")


@pytest.mark.parametrize("field", ["sampler", "scheduler"])
def test_unknown_names_are_answered_with_those_there_are(field: str) -> None:
    with pytest.raises(UnknownName, match=r"“nonsense”.*(Euler a|Karras)"):
        Txt2Img.model_validate({field: "nonsense"})


@pytest.mark.parametrize(
    ("field", "wrong", "meant"),
    [
        ("sampler", "DPM++ SKE", "DPM++ SDE"),
        ("scheduler", "Karas", "Karras"),
        ("upscaler", "Latent (bicubik)", "Latent (bicubic)"),
        ("upscaler", "Lancos", "Lanczos"),
    ],
)
def test_names_of_the_second_pass_are_known_ones(field: str, wrong: str, meant: str) -> None:
    with pytest.raises(UnknownName, match="not found") as raised:
        HiresFix.model_validate({field: wrong})
    assert f"Did you mean “{meant}”?" in str(raised.value)


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("scale", (-1, 16.1, math.nan), (1, 1.3, 16)),
        ("width", (-1, MAX_HIRES_SIDE + 1, 0.5), (0, 63, MAX_HIRES_SIDE)),
        ("height", (-1, MAX_HIRES_SIDE + 1), (0, 63, MAX_HIRES_SIDE)),
        ("steps", (-1, MAX_STEPS + 1), (0, 1, MAX_STEPS)),
        ("denoising_strength", (-0.1, 1.1, math.nan), (0, 0.5, 1)),
        ("cfg_scale", (-1, 101), (None, 0, 100)),
        ("prompt", ("a" * 100_000,), ("",)),
    ],
)
def test_limits_of_the_second_pass(field: str, wrong: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    for value in wrong:
        with pytest.raises(ValidationError) as raised:
            Txt2Img.model_validate({"hires": {field: value}})
        assert raised.value.errors()[0]["loc"] == ("hires", field)
    for value in right:
        assert getattr(HiresFix.model_validate({field: value}), field) == value


def test_a_second_pass_has_a_size() -> None:
    assert "a scale above 0, or a width or height" in refusal(HiresFix, scale=0)
    assert HiresFix(scale=0, width=128).width == HiresFix(scale=0, height=128).height == 128


def test_a_first_pass_picture_needs_a_second_pass() -> None:
    assert "only with Hires. fix" in refusal(Txt2Img, first_pass=PICTURE)
    assert Txt2Img(first_pass=PICTURE, hires=HiresFix()).first_pass == PICTURE


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("images", ((), (PICTURE,) * 65, "aGk="), ((PICTURE,),)),
        ("resize_mode", ("stretch", 1), ("just resize", "latent upscale")),
        ("denoising_strength", (-0.1, 1.1, math.nan, None), (0, 1)),
        ("image_cfg_scale", (-1, 101), (None, 1.5)),
        ("initial_noise_multiplier", (-1, 4.1), (None, 0, 1.5)),
    ],
)
def test_limits_of_img2img(field: str, wrong: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    for value in wrong:
        with pytest.raises(ValidationError) as raised:
            Img2Img.model_validate({"images": (PICTURE,), field: value})
        assert raised.value.errors()[0]["loc"][0] == field
    for value in right:
        assert getattr(Img2Img.model_validate({"images": (PICTURE,), field: value}), field) == value


def test_img2img_begins_with_a_picture() -> None:
    assert refusal(Img2Img) == "Field required"
    assert refusal(Img2Img, images=[{"data": b""}]).startswith("Data should have at least 1 byte")


def test_one_picture_serves_all_and_several_are_one_each() -> None:
    assert len(Img2Img(images=(PICTURE,), batch_size=3).images) == 1
    assert len(Img2Img(images=(PICTURE,) * 3, batch_size=3).images) == 3
    for count, size in ((2, 3), (3, 2), (2, 1)):
        said = refusal(Img2Img, images=[PICTURE] * count, batch_size=size)
        assert f"there are {count} images for a batch of {size}" in said


@pytest.mark.parametrize(
    ("field", "wrong", "right"),
    [
        ("mask", (None, "aGk="), ()),
        ("blur_x", (-1, 257, 0.5), (0, 256)),
        ("blur_y", (-1, 257), (0, 256)),
        ("content", ("latent", 1), ("fill", "original", "latent noise", "latent nothing")),
        ("padding", (-1, 1025), (0, 1024)),
        ("round_mask", ("maybe",), (True, False)),
    ],
)
def test_limits_of_inpainting(field: str, wrong: tuple[Any, ...], right: tuple[Any, ...]) -> None:
    for value in wrong:
        with pytest.raises(ValidationError) as raised:
            Inpaint.model_validate({"mask": PICTURE, field: value})
        assert raised.value.errors()[0]["loc"][0] == field
    for value in right:
        assert getattr(Inpaint.model_validate({"mask": PICTURE, field: value}), field) == value


def test_inpainting_has_a_mask() -> None:
    assert refusal(Inpaint) == "Field required"


@pytest.mark.parametrize(
    ("field", "largest"),
    [
        ("schedule_bias", 8),
        ("preservation_strength", 8),
        ("transition_contrast_boost", 32),
        ("mask_influence", 1),
        ("difference_threshold", 8),
        ("difference_contrast", 8),
    ],
)
def test_limits_of_soft_inpainting(field: str, largest: float) -> None:
    assert getattr(SoftInpainting.model_validate({field: largest}), field) == largest
    for value in (-0.1, largest + 0.1, math.nan):
        with pytest.raises(ValidationError):
            SoftInpainting.model_validate({field: value})


def test_a_refiner_has_a_name_and_takes_over_somewhere() -> None:
    assert Refiner(checkpoint="a").switch_at == 0.8
    assert "at least 1 character" in refusal(Refiner, checkpoint="")
    assert "less than or equal to 1" in refusal(Refiner, checkpoint="a", switch_at=1.1)


def test_pictures_have_a_limit_and_are_not_shown_in_logs() -> None:
    assert "at most" in refusal(Picture, data=bytes(MAX_PICTURE_BYTES + 1))
    assert repr(PICTURE) == "Picture()"


def test_pictures_survive_json() -> None:
    every_byte = Picture(data=bytes(range(256)))
    inpaint = Inpaint(mask=PICTURE, soft=SoftInpainting(mask_influence=0.5))
    edit = Img2Img(images=(PICTURE, every_byte), batch_size=2, inpaint=inpaint)
    hires = Txt2Img(first_pass=PICTURE, hires=HiresFix(checkpoint="b"), refiner=Refiner(checkpoint="a"))
    for request in (edit, hires):
        assert REQUEST.validate_json(request.model_dump_json()) == request
        assert pickle.loads(pickle.dumps(request)) == request


def test_a_request_is_frozen_and_crosses_to_another_process() -> None:
    request = Txt2Img(prompt="a", styles=("x",), seed=MAX_SEED)
    with pytest.raises(ValidationError):
        setattr(request, "seed", 1)  # noqa: B010  # as an assignment it would not pass the type check
    assert pickle.loads(pickle.dumps(request)) == request
    assert REQUEST.validate_json(request.model_dump_json()) == request
    assert REQUEST.validate_python({"kind": "load_checkpoint"}) == LoadCheckpoint()


@pytest.mark.parametrize("name", ["prompts", "negative_prompts"])
def test_there_are_as_many_prompts_as_pictures(name: str) -> None:
    assert Txt2Img.model_validate({name: ("a", "b"), "batch_size": 2})
    with pytest.raises(ValidationError, match=r"there are 2 .*prompts for 3 pictures"):
        Txt2Img.model_validate({name: ("a", "b"), "batch_count": 3})
