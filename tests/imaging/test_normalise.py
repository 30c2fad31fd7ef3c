import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.core.errors import InvalidRequest
from modules.imaging.normalise import flatten, normalise
from tests.imaging.recorded_pictures import cases, noise_picture, picture, same

ORIENTATION = 0x112


def stored(image: Image.Image, kind: str = "PNG", **options: Any) -> Image.Image:
    """Return `image` as it comes out of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(file)


@pytest.mark.parametrize("case", cases("flat"), ids=lambda case: case["background"])
def test_lies_on_a_background_as_recorded(case: Any) -> None:
    assert same(flatten(picture(case["picture"]), case["background"]), picture(case["result"]))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV"])
def test_opaque_modes_become_rgb(mode: str) -> None:
    assert same(normalise(Image.new("RGB", (3, 2), "white").convert(mode)), Image.new("RGB", (3, 2), "white"))


def test_transparency_of_every_kind_is_kept() -> None:
    palette = noise_picture(8, 8).quantize(4)
    assert normalise(stored(palette)).mode == "RGB"
    assert normalise(stored(palette, transparency=0)).mode == "RGBA"
    assert normalise(stored(palette, transparency=bytes([0, 99, 255, 255]))).mode == "RGBA"
    assert normalise(stored(Image.new("L", (2, 2), 7), transparency=7)).getpixel((0, 0)) == (7, 7, 7, 0)
    assert normalise(Image.new("LA", (2, 2), (7, 9))).getpixel((0, 0)) == (7, 7, 7, 9)


def test_sixteen_bits_keep_the_upper_eight() -> None:
    grey = Image.fromarray(np.array([[0, 255, 256, 0x8000, 0xFFFF]], dtype=np.uint16))
    expected = [0, 0, 1, 128, 255]
    assert np.asarray(normalise(stored(grey)))[0, :, 0].tolist() == expected
    assert np.asarray(normalise(grey.convert("I")))[0, :, 0].tolist() == expected
    eight = Image.fromarray(np.array([[0, 200, 255]], dtype=np.int32))
    assert np.asarray(normalise(eight))[0, :, 0].tolist() == [0, 200, 255]


def test_is_turned_as_exif_says() -> None:
    image, exif = noise_picture(16, 8), Image.Exif()
    exif[ORIENTATION] = 6
    assert same(normalise(stored(image, exif=exif)), image.transpose(Image.Transpose.ROTATE_270))


def test_broken_exif_turns_nothing() -> None:
    image = noise_picture(16, 8)
    assert same(normalise(stored(image, exif=b"Exif\0\0no exif at all")), image)


def test_a_damaged_file_is_said_clearly() -> None:
    file = io.BytesIO()
    noise_picture(64, 64).save(file, "PNG")
    with pytest.raises(InvalidRequest, match="The picture cannot be read"):
        normalise(Image.open(io.BytesIO(file.getvalue()[:2000])))


def test_a_background_that_is_no_colour_is_said_clearly() -> None:
    with pytest.raises(InvalidRequest, match="“blurple” is no colour"):
        flatten(Image.new("RGBA", (1, 1)), "blurple")
