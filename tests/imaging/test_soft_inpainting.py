from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import InvalidRequest
from modules.core.parameters import SoftInpainting
from modules.imaging.inpaint import Img2ImgOptions, Inpainting, MaskOptions, prepare_img2img
from modules.imaging.overlay import paste_back
from modules.imaging.soft_inpainting import SoftOverlay, soft_overlays
from tests.imaging.recorded_pictures import array, cases, noise_picture, picture

SETTINGS = SoftInpainting()
OPTIONS = Img2ImgOptions(width=64, height=64)


@pytest.mark.parametrize("case", cases("soft_inpainting"), ids=lambda case: case["case"])
def test_lays_back_as_recorded(case: Any) -> None:
    width, height = case["size"]
    mask = MaskOptions(
        image=picture(case["mask"]),
        blur_x=case["blur"],
        blur_y=case["blur"],
        rounded=False,
        only_masked=case["only_masked"],
        padding=case["padding"],
    )
    prepared = prepare_img2img([picture(case["picture"])], Img2ImgOptions(width=width, height=height), mask)
    assert prepared.inpainting is not None
    (soft,) = soft_overlays(SETTINGS, prepared.inpainting, array(case["before"]), array(case["after"]))
    result = paste_back(picture(case["decoded"]), soft.overlay, prepared.inpainting.region).picture
    difference = np.abs(np.asarray(result).astype(int) - array(case["result"]))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def inpainting(count: int = 1, value: int = 255) -> Inpainting:
    mask = MaskOptions(image=Image.new("L", (64, 64), value), rounded=False)
    prepared = prepare_img2img([noise_picture(64, 64, seed) for seed in range(count)], OPTIONS, mask)
    assert prepared.inpainting is not None
    return prepared.inpainting


def shown(soft: SoftOverlay) -> tuple[int, int]:
    """Return how much of the new picture shows at least and at most, 0..255."""
    values = np.asarray(soft.mask)
    return int(values.min()), int(values.max())


def latents(count: int = 1, value: float = 0.0) -> Any:
    return np.full((count, 4, 8, 8), value, dtype=np.float32)


def test_unchanged_latents_show_the_original() -> None:
    (soft,) = soft_overlays(SETTINGS, inpainting(), latents(), latents())
    assert shown(soft) == (0, 0)
    assert soft.overlay.getchannel("A").getextrema() == (255, 255)


def test_much_changed_latents_show_the_new_picture() -> None:
    (soft,) = soft_overlays(SETTINGS, inpainting(), latents(), latents(value=50))
    assert shown(soft)[0] >= 253


def test_the_threshold_is_where_half_is_laid_back() -> None:
    change = latents(value=0.25)  # four channels: a distance of 0.5
    (soft,) = soft_overlays(SETTINGS, inpainting(), latents(), change)
    assert shown(soft) == (127, 127)
    (strict,) = soft_overlays(SoftInpainting(difference_threshold=5), inpainting(), latents(), change)
    assert shown(strict)[1] < 10


def test_contrast_sharpens_the_change_around_the_threshold() -> None:
    change = latents(value=0.3)
    (mild,) = soft_overlays(SoftInpainting(difference_contrast=1), inpainting(), latents(), change)
    (sharp,) = soft_overlays(SoftInpainting(difference_contrast=8), inpainting(), latents(), change)
    assert 128 < shown(mild)[0] < shown(sharp)[0]


def test_the_mask_counts_as_far_as_it_has_influence() -> None:
    change = latents(value=0.25)
    settings = SoftInpainting(mask_influence=1)
    (masked,) = soft_overlays(settings, inpainting(value=255), latents(), change)
    (unmasked,) = soft_overlays(settings, inpainting(value=0), latents(), change)
    assert shown(masked) == (255, 255)
    assert shown(unmasked) == (0, 0)
    assert shown(soft_overlays(settings, inpainting(), latents(), latents())[0]) == (0, 0)


def test_half_masked_parts_keep_more_of_the_original() -> None:
    keep = 1 - (128 / 255) ** 0.25  # preservation strength 0.5
    threshold = 0.5 * keep / (1 - keep)
    settings = SoftInpainting(mask_influence=1)
    (soft,) = soft_overlays(settings, inpainting(value=128), latents(), latents(value=threshold / 2))
    assert shown(soft) == (127, 127)


def test_a_single_changed_latent_spreads_a_little_and_no_further() -> None:
    change = latents()
    change[0, :, 7, 7] = 50
    (soft,) = soft_overlays(SETTINGS, inpainting(), latents(), change)
    mask = np.asarray(soft.mask)
    assert mask[60, 60] > 100
    assert mask[:, :8].max() < 10


def test_a_batch_has_one_init_image_for_all_or_one_for_each() -> None:
    assert len(soft_overlays(SETTINGS, inpainting(1), latents(1), latents(3))) == 3
    assert len(soft_overlays(SETTINGS, inpainting(2), latents(2), latents(2))) == 2
    with pytest.raises(InvalidRequest, match="one init image for all its pictures, or one for each"):
        soft_overlays(SETTINGS, inpainting(2), latents(2), latents(3))
