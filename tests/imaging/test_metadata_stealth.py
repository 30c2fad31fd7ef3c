import gzip
import io
import json

import numpy as np
import pytest
from PIL import Image

from modules.imaging.metadata import read_metadata
from modules.imaging.metadata_stealth import read_stealth
from tests.imaging.test_metadata_novelai import items

TEXT = "a cat, 日本 😀\nSteps: 20, Sampler: Euler a, Seed: 1"


def hide(image: Image.Image, signature: bytes, payload: bytes, *, bits: int | None = None) -> Image.Image:
    """Write a text into the lowest bits of `image`, down the columns from left to right."""
    size = len(payload) * 8 if bits is None else bits
    stream = np.unpackbits(np.frombuffer(signature + size.to_bytes(4) + payload, np.uint8))
    pixels = np.array(image)
    first, end = (3, 4) if b"png" in signature else (0, 3)
    columns = pixels[:, :, first:end].transpose(1, 0, 2)
    flat = columns.reshape(-1)
    flat[: len(stream)] = flat[: len(stream)] & 0xFE | stream
    pixels[:, :, first:end] = flat.reshape(columns.shape).transpose(1, 0, 2)
    return Image.fromarray(pixels)


def noise(mode: str = "RGBA") -> Image.Image:
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (37, 53, len(mode)), np.uint8))


@pytest.mark.parametrize(
    ("signature", "mode"),
    [
        (b"stealth_pnginfo", "RGBA"),
        (b"stealth_pngcomp", "RGBA"),
        (b"stealth_rgbinfo", "RGB"),
        (b"stealth_rgbcomp", "RGB"),
        (b"stealth_rgbcomp", "RGBA"),
    ],
)
def test_hidden_infotexts_are_found(signature: bytes, mode: str) -> None:
    payload = gzip.compress(TEXT.encode(), mtime=0) if signature.endswith(b"comp") else TEXT.encode()
    image = hide(noise(mode), signature, payload)
    assert read_stealth(image) == TEXT
    file = io.BytesIO()
    image.save(file, "PNG")
    assert read_metadata(file.getvalue()).infotext == TEXT
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True, exact=True)
    assert read_metadata(file.getvalue()).infotext == TEXT


def test_what_novelai_hides() -> None:
    said = items({"steps": 28, "sampler": "k_euler", "seed": 1, "scale": 5, "uc": "bad"})
    image = hide(noise(), b"stealth_pngcomp", gzip.compress(json.dumps(said).encode()))
    file = io.BytesIO()
    image.save(file, "PNG")
    found = read_metadata(file.getvalue())
    assert found.items == said
    assert (found.infotext or "").startswith("1girl {x}\nNegative prompt: bad\nSteps: 28, Sampler: Euler,")


@pytest.mark.parametrize(
    ("signature", "payload", "bits"),
    [
        (b"stealth_pngcomp", b"no gzip", None),
        (b"stealth_pngcomp", gzip.compress(TEXT.encode(), mtime=0)[:30], None),
        (b"stealth_pnginfo", b"\xff\xfe", None),
        (b"stealth_nothing", TEXT.encode(), None),
    ],
)
def test_damaged_texts_are_none(signature: bytes, payload: bytes, bits: int | None) -> None:
    hidden = read_stealth(hide(noise(), signature, payload, bits=bits))
    assert hidden is None or TEXT.startswith(hidden)


def test_lengths_that_the_picture_cannot_hold() -> None:
    image = hide(noise(), b"stealth_pnginfo", b"", bits=2**32 - 1)
    assert read_stealth(image) is None  # noise is no UTF-8


def test_inflated_texts_are_cut() -> None:
    payload = gzip.compress(b"a" * 3_000_000, 9, mtime=0)
    image = hide(Image.new("RGBA", (200, 200)), b"stealth_pngcomp", payload)
    assert len(read_stealth(image) or "") == 1 << 20


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (5, 7)])
@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L", "LA"])
def test_pictures_without_one(size: tuple[int, int], mode: str) -> None:
    assert read_stealth(Image.new(mode, size)) is None
