from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.imaging.mask import blur_mask, latent_mask, mask_from_picture, overlay_mask
from tests.imaging.recorded_pictures import cases, picture, same


@pytest.mark.parametrize("case", cases("masks"), ids=lambda case: case["mask"])
def test_masks_as_recorded(case: Any) -> None:
    assert same(mask_from_picture(picture(case["picture"]), rounded=case["rounded"]), picture(case["mask"]))


def test_transparency_of_greyscale_and_palette_counts_too() -> None:
    mask = Image.new("LA", (2, 1), (255, 0))
    mask.putpixel((1, 0), (0, 200))
    assert list(mask_from_picture(mask, rounded=True).tobytes()) == [0, 255]
    assert list(mask_from_picture(mask, rounded=False).tobytes()) == [0, 200]


@pytest.mark.parametrize(("x", "y"), [(4, 0), (0, 4), (2, 5)])
def test_blur_is_a_gaussian_along_each_axis(x: float, y: float) -> None:
    mask = np.zeros((61, 61), dtype=np.uint8)
    mask[30, 30] = 255
    blurred = np.asarray(blur_mask(Image.fromarray(mask), x, y)).astype(float)
    offsets = np.arange(-30, 31)

    def bell(radius: float) -> Any:
        weights = np.exp(-(offsets**2) / (2 * radius**2)) if radius else (offsets == 0).astype(float)
        return weights / weights.sum()

    assert np.abs(blurred - 255 * bell(y)[:, None] * bell(x)).max() <= 1


def test_alpha_is_rounded_at_128() -> None:
    mask = Image.new("RGBA", (2, 1), (255, 255, 255, 128))
    mask.putpixel((1, 0), (0, 0, 0, 129))
    assert list(mask_from_picture(mask, rounded=True).tobytes()) == [0, 255]


@pytest.mark.parametrize(("radius", "width"), [(1, 7), (1.4, 9), (2, 11)])
def test_blur_ends_after_five_standard_deviations(radius: float, width: int) -> None:
    mask = Image.new("L", (41, 1))
    mask.paste(255, (20, 0, 21, 1))
    left, _, right, _ = blur_mask(mask, radius, 0).getbbox() or (0, 0, 0, 0)
    assert right - left == width


def test_no_blur_changes_nothing_and_one_pixel_survives() -> None:
    mask = Image.effect_noise((20, 10), 60)
    assert same(blur_mask(mask, 0, 0), mask)
    assert blur_mask(Image.new("L", (1, 1), 9), 4, 4).getpixel((0, 0)) == 9


def test_overlay_mask_is_twice_as_bright() -> None:
    mask = Image.fromarray(np.array([[0, 1, 100, 127, 128, 255]], dtype=np.uint8))
    assert list(overlay_mask(mask).tobytes()) == [0, 2, 200, 254, 255, 255]


def test_half_a_latent_masked_is_kept() -> None:
    mask = Image.fromarray(np.array([[0, 127, 128, 255]], dtype=np.uint8))
    assert latent_mask(mask, 4, 1, rounded=True).tolist() == [[0, 0, 1, 1]]
    soft = latent_mask(mask, 4, 1, rounded=False)
    assert soft.dtype == np.float32
    assert np.allclose(soft, [[0, 127 / 255, 128 / 255, 1]])
