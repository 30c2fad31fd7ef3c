from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import InvalidRequest
from modules.imaging.inpaint import Img2ImgOptions, MaskedContent, MaskOptions, prepare_img2img
from modules.imaging.resize import ResizeMode
from tests.imaging.recorded_pictures import array, box, cases, noise_picture, picture, same

OPTIONS = Img2ImgOptions(width=64, height=64)


def mask_of(case: Any) -> MaskOptions | None:
    if "mask" not in case:
        return None
    asked = case["request"]
    return MaskOptions(
        image=picture(case["mask"]),
        invert=bool(asked["inpainting_mask_invert"]),
        blur_x=asked["mask_blur_x"],
        blur_y=asked["mask_blur_y"],
        rounded=asked["mask_round"],
        content=MaskedContent(asked["inpainting_fill"]),
        only_masked=asked["inpaint_full_res"],
        padding=asked["inpaint_full_res_padding"],
    )


@pytest.mark.parametrize("case", cases("img2img"), ids=lambda case: f"{case['case']} {case['encoded']}")
def test_prepares_as_recorded(case: Any) -> None:
    asked = case["request"]
    options = Img2ImgOptions(width=asked["width"], height=asked["height"], resize_mode=ResizeMode(asked["resize_mode"]))
    prepared = prepare_img2img([picture(case["picture"])], options, mask_of(case))
    assert same(prepared.pictures[0], picture(case["encoded"]))
    assert prepared.note == ""
    if "mask" not in case:
        assert prepared.inpainting is None
        return
    inpainting = prepared.inpainting
    assert inpainting is not None
    assert inpainting.region == box(case["region"])
    assert same(inpainting.overlay_mask, picture(case["overlay_mask"]))
    assert same(inpainting.overlays[0], picture(case["overlay"]))
    assert np.array_equal(inpainting.latent_mask, array(case["latent_mask"]))
    assert inpainting.mask.size == options.size


def test_the_vae_gets_values_from_0_to_1() -> None:
    image = noise_picture(64, 64)
    values = prepare_img2img([image, Image.new("RGB", (8, 8), "white")], OPTIONS).vae_input
    assert values.shape == (2, 3, 64, 64)
    assert values.dtype == np.float32
    assert np.array_equal(np.rint(values[0] * 255), np.moveaxis(np.asarray(image), -1, 0))
    assert (values[1] == 1).all()


def half_mask(size: tuple[int, int], **options: Any) -> MaskOptions:
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return replace(MaskOptions(image=mask, blur_x=0, blur_y=0), **options)


def test_the_other_half_is_repainted_when_inverted() -> None:
    image = noise_picture(64, 64)
    straight = prepare_img2img([image], OPTIONS, half_mask(image.size)).inpainting
    inverted = prepare_img2img([image], OPTIONS, half_mask(image.size, invert=True)).inpainting
    assert straight is not None
    assert inverted is not None
    assert np.array_equal(straight.latent_mask, 1 - inverted.latent_mask)


@pytest.mark.parametrize("content", list(MaskedContent))
def test_all_but_the_original_content_is_painted_over(content: MaskedContent) -> None:
    image = noise_picture(64, 64)
    encoded = np.asarray(prepare_img2img([image], OPTIONS, half_mask(image.size, content=content)).pictures[0])
    unchanged = (encoded == np.asarray(image)).all(axis=-1)
    assert unchanged[:, 32:].all()
    assert unchanged[:, :32].mean() == (1 if content is MaskedContent.ORIGINAL else pytest.approx(0, abs=0.01))


def test_only_masked_with_an_empty_mask_is_plain_img2img_and_says_so() -> None:
    image = noise_picture(64, 64)
    mask = MaskOptions(image=Image.new("L", image.size), only_masked=True)
    prepared = prepare_img2img([image], OPTIONS, mask)
    assert prepared.inpainting is None
    assert same(prepared.pictures[0], image)
    assert prepared.note.startswith("Nothing is masked")


def test_latent_upscale_encodes_the_picture_as_it_is_and_lays_back_the_work_size() -> None:
    image = noise_picture(32, 64)
    options = Img2ImgOptions(width=64, height=64, resize_mode=ResizeMode.LATENT_UPSCALE)
    prepared = prepare_img2img([image], options, half_mask(image.size))
    assert same(prepared.pictures[0], image)
    assert prepared.inpainting is not None
    assert prepared.inpainting.overlays[0].size == (64, 64)
    assert prepared.inpainting.latent_mask.tolist() == [[1.0] * 4 + [0.0] * 4] * 8


def test_a_batch_shares_one_mask() -> None:
    images = [noise_picture(64, 64, seed) for seed in (1, 2)]
    inpainting = prepare_img2img(images, OPTIONS, half_mask((64, 64))).inpainting
    assert inpainting is not None
    for overlay, image in zip(inpainting.overlays, images, strict=True):
        assert same(overlay.convert("RGB").crop((32, 0, 64, 64)), image.crop((32, 0, 64, 64)))


@pytest.mark.parametrize("mode", list(ResizeMode))
@pytest.mark.parametrize("only_masked", [False, True])
def test_pictures_of_one_pixel(mode: ResizeMode, *, only_masked: bool) -> None:
    options = Img2ImgOptions(width=64, height=64, resize_mode=mode)
    mask = MaskOptions(image=Image.new("L", (1, 1), 255), only_masked=only_masked, content=MaskedContent.FILL)
    if mode is ResizeMode.LATENT_UPSCALE:
        with pytest.raises(InvalidRequest, match="1×1 px has no latents"):
            prepare_img2img([Image.new("RGB", (1, 1))], options, mask)
    else:
        assert prepare_img2img([Image.new("RGB", (1, 1))], options, mask).vae_input.shape == (1, 3, 64, 64)


def test_what_cannot_be_prepared_is_said_clearly() -> None:
    image = noise_picture(64, 64)
    with pytest.raises(InvalidRequest, match="img2img needs a picture"):
        prepare_img2img([], OPTIONS)
    with pytest.raises(InvalidRequest, match="The mask has 32×64 px, the picture 64×64 px"):
        prepare_img2img([image], OPTIONS, half_mask((32, 64)))
    with pytest.raises(InvalidRequest, match=r"different sizes \(8×8, 64×64 px\)"):
        prepare_img2img([image, Image.new("RGB", (8, 8))], OPTIONS, half_mask((64, 64)))
