import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modules.imaging.metadata import read_parameters
from modules.imaging.save_formats import CopyLimits, EncodedPicture, PictureFormat, encode_picture, jpeg_copy

TEXT = "a cat, 日本 😀\nSteps: 20, Sampler: Euler a, Seed: 1"


def picture(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((width, height), 50).convert(mode)


def opened(encoded: EncodedPicture) -> Image.Image:
    return Image.open(io.BytesIO(encoded.data))


@pytest.mark.parametrize(
    ("name", "kind", "suffix"),
    [
        ("png", "PNG", ".png"),
        ("jpg", "JPEG", ".jpg"),
        ("jpeg", "JPEG", ".jpeg"),
        ("webp", "WEBP", ".webp"),
        ("avif", "AVIF", ".avif"),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_formats(name: Any, kind: str, suffix: str, mode: str) -> None:
    encoded = encode_picture(picture(mode=mode), TEXT, PictureFormat(name=name))
    assert (opened(encoded).format, opened(encoded).size, encoded.suffix) == (kind, (64, 48), suffix)
    assert (read_parameters(encoded.data), encoded.carries_infotext) == (TEXT, True)
    bare = encode_picture(picture(mode=mode), None, PictureFormat(name=name))
    assert (read_parameters(bare.data), bare.carries_infotext) == (None, False)


@pytest.mark.parametrize("name", ["jpg", "webp", "avif"])
def test_quality_counts(name: Any) -> None:
    sizes = [len(encode_picture(picture(), None, PictureFormat(name=name, quality=n)).data) for n in (20, 90)]
    assert sizes[0] * 1.3 < sizes[1]


def test_lossless_webp_keeps_every_pixel() -> None:
    image = picture()
    lossless = opened(encode_picture(image, TEXT, PictureFormat(name="webp", lossless=True)))
    assert lossless.convert("RGB").tobytes() == image.tobytes()
    assert opened(encode_picture(image, TEXT, PictureFormat(name="webp"))).tobytes() != image.tobytes()


@pytest.mark.parametrize(("name", "side"), [("webp", 16_384), ("jpg", 65_501), ("avif", 65_536)])
def test_pictures_too_large_for_their_format_become_png_files(name: Any, side: int) -> None:
    encoded = encode_picture(Image.new("L", (side, 1)), TEXT, PictureFormat(name=name))
    assert (opened(encoded).format, encoded.suffix, read_parameters(encoded.data)) == ("PNG", ".png", TEXT)


@pytest.mark.parametrize(("name", "side"), [("webp", 16_383), ("jpg", 65_500)])
def test_the_largest_pictures_of_a_format(name: Any, side: int) -> None:
    assert encode_picture(Image.new("L", (side, 1)), TEXT, PictureFormat(name=name)).suffix == f".{name}"


@pytest.mark.parametrize(("name", "kept"), [("png", True), ("jpg", False), ("webp", True)])
def test_infotexts_too_long_for_their_format_are_left_out(name: Any, kept: bool) -> None:
    text = "x" * 40_000
    encoded = encode_picture(picture(), text, PictureFormat(name=name))
    assert encoded.carries_infotext is kept
    assert read_parameters(encoded.data) == (text if kept else None)


def copy_of(image: Image.Image, limits: CopyLimits, name: Any = "png") -> Image.Image | None:
    encoded = encode_picture(image, TEXT, PictureFormat(name=name))
    copied = jpeg_copy(image, encoded, TEXT, limits, quality=80)
    if copied is None:
        return None
    assert (copied.suffix, read_parameters(copied.data)) == (".jpg", TEXT)
    return opened(copied)


@pytest.mark.parametrize(
    ("size", "copied"), [((300, 150), (200, 100)), ((150, 300), (100, 200)), ((201, 1), (200, 1)), ((200, 200), None)]
)
def test_large_pictures_get_a_smaller_copy(size: tuple[int, int], copied: tuple[int, int] | None) -> None:
    small = copy_of(picture(*size), CopyLimits(side=200))
    assert (small and small.size) == copied


def test_large_files_get_a_copy_of_the_same_size() -> None:
    limits = CopyLimits(mebibytes=0.001)
    image = picture()
    copied = copy_of(image, limits)
    assert copied is not None
    assert copied.size == image.size
    assert np.abs(np.asarray(copied, np.int16) - np.asarray(image, np.int16)).mean() < 20
    assert copy_of(image, limits, "jpg") is None
