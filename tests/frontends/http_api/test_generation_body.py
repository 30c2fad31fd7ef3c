"""Every field of A1111's bodies means the field of our request that it should."""

from base64 import b64encode
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError

from modules.core.errors import InvalidRequest
from modules.core.parameters import Generation, HiresFix, Img2Img, Inpaint, SoftInpainting, Txt2Img
from modules.frontends.http_api.generation_body import FIELD_NAMES
from modules.frontends.http_api.img2img_body import Img2ImgBody
from modules.frontends.http_api.txt2img_body import Txt2ImgBody

Fields = dict[str, Any]

BYTES, OTHER_BYTES = b"\x89PNG one", b"\x89PNG two"
PICTURE, OTHER_PICTURE = b64encode(BYTES).decode(), b64encode(OTHER_BYTES).decode()

COMMON: list[tuple[Fields, str, Any]] = [
    ({"prompt": "a cat"}, "prompt", "a cat"),
    ({"negative_prompt": "a dog"}, "negative_prompt", "a dog"),
    ({"styles": ["Photo", "Ink"]}, "styles", ("Photo", "Ink")),
    ({"seed": 7}, "seed", 7),
    ({"subseed": 8}, "subseed", 8),
    ({"subseed_strength": 0.3}, "subseed_strength", 0.3),
    ({"seed_resize_from_w": 96}, "seed_resize_from_width", 96),
    ({"seed_resize_from_h": 88}, "seed_resize_from_height", 88),
    ({"sampler_name": "Heun"}, "sampler", "Heun"),
    ({"sampler_name": "DPM++ 2M Karras"}, "scheduler", "Karras"),
    ({"sampler_index": "k_euler_a"}, "sampler", "Euler a"),
    ({"scheduler": "exponential"}, "scheduler", "Exponential"),
    ({"batch_size": 3}, "batch_size", 3),
    ({"n_iter": 4}, "batch_count", 4),
    ({"steps": 9}, "steps", 9),
    ({"cfg_scale": 2.5}, "cfg_scale", 2.5),
    ({"width": 72}, "width", 72),
    ({"height": 80}, "height", 80),
    ({"tiling": True}, "tiling", True),
    ({"tiling": False}, "tiling", False),
    ({"eta": 0.5}, "eta", 0.5),
    ({"s_churn": 1.5}, "s_churn", 1.5),
    ({"s_tmin": 0.2}, "s_tmin", 0.2),
    ({"s_tmax": 9}, "s_tmax", 9),
    ({"s_noise": 1.1}, "s_noise", 1.1),
    ({"s_min_uncond": 4}, "s_min_uncond", 4),
    ({"refiner_checkpoint": "b", "refiner_switch_at": 0.5}, "refiner.checkpoint", "b"),
    ({"refiner_checkpoint": "b", "refiner_switch_at": 0.5}, "refiner.switch_at", 0.5),
    ({"disable_extra_networks": True}, "extra_networks", False),
    ({"save_images": True}, "save_images", True),
    ({"save_images": True}, "make_grid", True),
    ({"save_images": True, "do_not_save_grid": True}, "save_images", True),
    ({"save_images": True, "do_not_save_samples": True}, "make_grid", True),
]

HIRES: list[tuple[Fields, str, Any]] = [
    ({}, "hires", HiresFix(denoising_strength=0.75)),
    ({"denoising_strength": 0.3}, "hires.denoising_strength", 0.3),
    ({"hr_scale": 1.5}, "hires.scale", 1.5),
    ({"hr_resize_x": 96}, "hires.width", 96),
    ({"hr_resize_y": 88}, "hires.height", 88),
    ({"hr_upscaler": "Lanczos"}, "hires.upscaler", "Lanczos"),
    ({"hr_second_pass_steps": 3}, "hires.steps", 3),
    ({"hr_sampler_name": "Heun"}, "hires.sampler", "Heun"),
    ({"hr_sampler_name": "DPM++ 2M Karras"}, "hires.sampler", "DPM++ 2M"),
    ({"hr_sampler_name": "DPM++ 2M Karras"}, "hires.scheduler", "Karras"),
    ({"hr_sampler_name": "Heun", "hr_scheduler": "exponential"}, "hires.scheduler", "Exponential"),
    ({"hr_scheduler": "karras"}, "hires.scheduler", "Karras"),
    ({"hr_checkpoint_name": "b"}, "hires.checkpoint", "b"),
    ({"hr_prompt": "a dog"}, "hires.prompt", "a dog"),
    ({"hr_negative_prompt": "ugly"}, "hires.negative_prompt", "ugly"),
    ({"hr_cfg": 3}, "hires.cfg_scale", 3),
    ({"firstpass_image": PICTURE}, "first_pass.data", BYTES),
    ({"firstphase_width": 72, "firstphase_height": 80, "width": 640}, "width", 72),
    ({"firstphase_width": 72, "firstphase_height": 80, "height": 640}, "height", 80),
]

EDIT: list[tuple[Fields, str, Any]] = [
    ({"resize_mode": 1}, "resize_mode", "crop and resize"),
    ({"resize_mode": 2}, "resize_mode", "resize and fill"),
    ({"resize_mode": 3}, "resize_mode", "latent upscale"),
    ({"denoising_strength": 0.3}, "denoising_strength", 0.3),
    ({"image_cfg_scale": 2}, "image_cfg_scale", 2),
    ({"initial_noise_multiplier": 0.8}, "initial_noise_multiplier", 0.8),
    ({"mask": OTHER_PICTURE}, "inpaint.mask.data", OTHER_BYTES),
]

MASKED: list[tuple[Fields, str, Any]] = [
    ({"mask_blur": 9}, "inpaint.blur_x", 9),
    ({"mask_blur": 9}, "inpaint.blur_y", 9),
    ({"mask_blur_x": 5}, "inpaint.blur_x", 5),
    ({"mask_blur_y": 6}, "inpaint.blur_y", 6),
    ({"mask_round": False}, "inpaint.round_mask", False),
    ({"inpainting_mask_invert": 1}, "inpaint.invert", True),
    ({"inpainting_fill": 1}, "inpaint.content", "original"),
    ({"inpainting_fill": 2}, "inpaint.content", "latent noise"),
    ({"inpainting_fill": 3}, "inpaint.content", "latent nothing"),
    ({"inpaint_full_res": False}, "inpaint.only_masked", False),
    ({"inpaint_full_res_padding": 12}, "inpaint.padding", 12),
    ({"alwayson_scripts": {"Soft Inpainting": {"args": [True, 2]}}}, "inpaint.soft", SoftInpainting(schedule_bias=2)),
]

NOT_OF_THE_REQUEST = {
    *("override_settings", "override_settings_restore_afterwards", "force_task_id", "send_images", "comments"),
    *("restore_faces", "script_name", "script_args", "alwayson_scripts"),  # refused where they would act
    "infotext",  # has its own tests
}


def edit(**fields: Any) -> Img2Img:
    return Img2ImgBody.model_validate({"init_images": [PICTURE]} | fields).to_request()


def make(**fields: Any) -> Txt2Img:
    return Txt2ImgBody.model_validate(fields).to_request()


def found(request: Generation, path: str) -> Any:
    """Return what stands at `path` in a request, None where a part of the path is None."""
    value: Any = request
    for name in path.split("."):
        value = None if value is None else getattr(value, name)
    return value


@pytest.mark.parametrize(("fields", "path", "meant"), COMMON)
def test_fields_of_both(fields: Fields, path: str, meant: Any) -> None:
    for plain, asked in ((make(), make(**fields)), (edit(), edit(**fields))):
        assert found(asked, path) == meant
        assert found(plain, path) != meant


@pytest.mark.parametrize(("fields", "path", "meant"), HIRES)
def test_fields_of_the_second_pass(fields: Fields, path: str, meant: Any) -> None:
    assert found(make(enable_hr=True, **fields), path) == meant
    assert found(make(**fields), path) != meant


@pytest.mark.parametrize(("fields", "path", "meant"), EDIT)
def test_fields_of_img2img(fields: Fields, path: str, meant: Any) -> None:
    assert found(edit(**fields), path) == meant
    assert found(edit(), path) != meant


@pytest.mark.parametrize(("fields", "path", "meant"), MASKED)
def test_fields_of_inpainting(fields: Fields, path: str, meant: Any) -> None:
    assert found(edit(mask=PICTURE, **fields), path) == meant
    assert found(edit(mask=PICTURE), path) != meant
    assert edit(**fields).inpaint is None


def test_no_field_is_forgotten() -> None:
    def named(rows: list[tuple[Fields, str, Any]]) -> set[str]:
        return {name for fields, _, _ in rows for name in fields}

    common = named(COMMON) | NOT_OF_THE_REQUEST
    assert set(Txt2ImgBody.model_fields) - common == named(HIRES) - common | {"enable_hr", "denoising_strength"}
    of_img2img = named(EDIT) | named(MASKED) | {"init_images", "include_init_images", "latent_mask"}
    assert set(Img2ImgBody.model_fields) - common == of_img2img - common


def test_defaults_are_those_of_a1111s_interface() -> None:
    request = make()
    assert (request.sampler, request.scheduler, request.steps, request.cfg_scale) == ("Euler", "Automatic", 50, 7.0)
    assert (request.width, request.height, request.batch_count, request.batch_size) == (512, 512, 1, 1)
    assert (request.seed, request.subseed, request.seed_resize_from_width) == (-1, -1, 0)
    assert (request.hires, request.first_pass, request.refiner, request.save_images) == (None, None, None, False)
    edited = edit(mask=PICTURE)
    assert (edited.resize_mode, edited.denoising_strength, edited.image_cfg_scale) == ("just resize", 0.75, None)
    assert edited.inpaint == Inpaint(mask=edited.images[0], content="fill", only_masked=True, padding=0)


def test_nulls_are_as_good_as_fields_left_out() -> None:
    assert make(**dict.fromkeys(Txt2ImgBody.model_fields)) == make()
    nulls = dict.fromkeys(name for name in Img2ImgBody.model_fields if name != "init_images")
    assert edit(**nulls) == edit()


@pytest.mark.parametrize("name", ["", "None", None])
def test_names_of_nothing(name: str | None) -> None:
    assert make(refiner_checkpoint=name, refiner_switch_at=0.5).refiner is None
    hires = make(enable_hr=True, hr_checkpoint_name=name, hr_sampler_name=name, hr_scheduler=name).hires
    assert hires == HiresFix(denoising_strength=0.75)


def test_the_same_as_the_first_pass() -> None:
    names = {
        "hr_checkpoint_name": "Use same checkpoint",
        "hr_sampler_name": "Use same sampler",
        "hr_scheduler": "Use same scheduler",
    }
    assert make(enable_hr=True, **names).hires == HiresFix(denoising_strength=0.75)
    assert found(make(enable_hr=True, **names | {"hr_scheduler": "Karras"}), "hires.scheduler") == "Karras"


def test_a_refiner_that_takes_over_at_0_is_none() -> None:
    assert make(refiner_checkpoint="b", refiner_switch_at=0).refiner is None
    assert make(refiner_checkpoint="b").refiner is None


def test_several_pictures_form_a_batch() -> None:
    several = [PICTURE, OTHER_PICTURE]
    assert [picture.data for picture in edit(init_images=several, batch_size=2).images] == [BYTES, OTHER_BYTES]
    assert edit(init_images=several, batch_size=4).batch_size == 2
    assert edit(batch_size=4).batch_size == 4


@pytest.mark.parametrize(
    "text", ["data:image/png;base64," + PICTURE, f" {PICTURE}\n", PICTURE[:4] + "\r\n" + PICTURE[4:]]
)
def test_pictures_may_be_written_as_data_urls_and_in_lines(text: str) -> None:
    assert edit(init_images=[text]).images[0].data == BYTES


def test_soft_inpainting_takes_its_arguments_in_the_extensions_order() -> None:
    args = [True, 2, 0.25, 8, 0.1, 0.75, 3]
    meant = SoftInpainting(
        schedule_bias=2,
        preservation_strength=0.25,
        transition_contrast_boost=8,
        mask_influence=0.1,
        difference_threshold=0.75,
        difference_contrast=3,
    )
    for script in ({"args": args}, args):
        assert found(edit(mask=PICTURE, alwayson_scripts={"soft inpainting": script}), "inpaint.soft") == meant
    for off in ([False, 2], [], None):
        assert found(edit(mask=PICTURE, alwayson_scripts={"soft inpainting": {"args": off}}), "inpaint.soft") is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"init_images": []}, ("init_images", "at least one picture")),
        ({"init_images": [], "mask": PICTURE}, ("init_images", "A mask alone is no picture")),
        ({"init_images": [PICTURE, "no base64!"]}, ("init_images[1]", "not base64")),
        ({"init_images": ["😀"]}, ("init_images[0]", "not base64")),
        ({"init_images": [""]}, ("init_images[0]", "empty")),
        ({"init_images": ["https://example.org/cat.png"]}, ("init_images[0]", "URLs are not fetched")),
        ({"mask": "HTTP://example.org/mask.png"}, ("mask", "base64")),
        ({"mask": "data:image/png;base64,"}, ("mask", "empty")),
        ({"resize_mode": 7}, ("resize_mode is 7", "3 latent upscale")),
        ({"resize_mode": -1}, ("resize_mode is -1",)),
        ({"mask": PICTURE, "inpainting_fill": 4}, ("inpainting_fill is 4", "3 latent nothing")),
        (
            {"mask": PICTURE, "alwayson_scripts": {"soft inpainting": {"args": [True, -1]}}},
            ("Soft inpainting", "schedule_bias = -1"),
        ),
    ],
)
def test_what_is_wrong_with_a_picture_or_a_choice_is_said_in_a_sentence(fields: Fields, words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest) as raised:
        edit(**fields)
    for word in words:
        assert word in str(raised.value)


def test_a_first_pass_picture_that_is_none_is_named() -> None:
    with pytest.raises(InvalidRequest, match="firstpass_image is not base64"):
        make(enable_hr=True, firstpass_image="no base64!")


OUT_OF_RANGE: list[tuple[type[Txt2ImgBody | Img2ImgBody], Fields, str]] = [
    (Txt2ImgBody, {"n_iter": 0}, "n_iter"),
    (Txt2ImgBody, {"seed_resize_from_w": 99_999}, "seed_resize_from_w"),
    (Txt2ImgBody, {"seed_resize_from_h": 99_999}, "seed_resize_from_h"),
    (Txt2ImgBody, {"refiner_checkpoint": "b", "refiner_switch_at": 2}, "refiner_switch_at"),
    (Txt2ImgBody, {"enable_hr": True, "hr_scale": 0}, "hr_scale"),
    (Txt2ImgBody, {"enable_hr": True, "hr_scale": -1}, "hr_scale"),
    (Txt2ImgBody, {"enable_hr": True, "hr_resize_x": -1}, "hr_resize_x"),
    (Txt2ImgBody, {"enable_hr": True, "hr_resize_y": 10**6}, "hr_resize_y"),
    (Txt2ImgBody, {"enable_hr": True, "hr_second_pass_steps": -1}, "hr_second_pass_steps"),
    (Txt2ImgBody, {"enable_hr": True, "denoising_strength": 2}, "denoising_strength"),
    (Txt2ImgBody, {"enable_hr": True, "hr_prompt": "x" * 100_000}, "hr_prompt"),
    (Txt2ImgBody, {"enable_hr": True, "hr_negative_prompt": "x" * 100_000}, "hr_negative_prompt"),
    (Txt2ImgBody, {"enable_hr": True, "hr_cfg": -1}, "hr_cfg"),
    (Txt2ImgBody, {"steps": 0}, "steps"),
    (Img2ImgBody, {"init_images": [PICTURE] * 3, "batch_size": 2}, "init_images"),
    (Img2ImgBody, {"init_images": [PICTURE] * 65, "batch_size": 64}, "init_images"),
    (Img2ImgBody, {"denoising_strength": -0.1}, "denoising_strength"),
    (Img2ImgBody, {"image_cfg_scale": 1000}, "image_cfg_scale"),
    (Img2ImgBody, {"initial_noise_multiplier": -1}, "initial_noise_multiplier"),
    (Img2ImgBody, {"mask": PICTURE, "mask_blur_x": -1}, "mask_blur_x"),
    (Img2ImgBody, {"mask": PICTURE, "mask_blur_y": 1000}, "mask_blur_y"),
    (Img2ImgBody, {"mask": PICTURE, "inpaint_full_res_padding": -1}, "inpaint_full_res_padding"),
]


@pytest.mark.parametrize(("kind", "fields", "name"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_answered_with_the_clients_name(
    kind: type[Txt2ImgBody | Img2ImgBody], fields: Fields, name: str
) -> None:
    pictures = {} if kind is Txt2ImgBody else {"init_images": [PICTURE]}
    with pytest.raises(RequestValidationError) as raised:
        kind.model_validate(pictures | fields).to_request()
    assert [entry["loc"][:2] for entry in raised.value.errors()] == [("body", name)]


def test_every_name_that_differs_is_tested() -> None:
    assert set(FIELD_NAMES.values()) <= {name for _, _, name in OUT_OF_RANGE}
