"""Pictures that clients send: opened with care, then as tensors and latents."""

import io
import struct
import zlib
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from PIL import Image
from torch import Tensor

from modules.core.cancellation import CancelToken
from modules.core.errors import InvalidRequest
from modules.core.parameters import Picture
from modules.core.settings import Settings
from modules.families.base import LoadedModel
from modules.families.vae import VaeOptions
from modules.imaging.png import encode_png
from modules.pipeline import pictures
from modules.pipeline.context import RunContext
from modules.pipeline.pictures import encode_pictures, open_picture, to_tensor

PNG = encode_png(Image.new("RGB", (6, 4), (255, 128, 0)), None)


def png_that_claims(width: int, height: int) -> bytes:
    """Return a PNG file of a few bytes that says it is `width` × `height` px."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_pictures_of_many_formats_are_opened(file_format: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (6, 4), "red").save(file, file_format)
    assert open_picture(Picture(data=file.getvalue()), "The picture").size == (6, 4)


@pytest.mark.parametrize(
    "data",
    [
        b"no picture",
        PNG[: len(PNG) // 2],
        PNG[:40] + bytes(20) + PNG[60:],
        png_that_claims(64, 64),
        png_that_claims(30_000, 30_000),
    ],
    ids=["text", "half", "damaged", "empty", "bomb"],
)
def test_what_is_no_picture_is_named(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="The mask is no picture that can be read"):
        open_picture(Picture(data=data), "The mask")


def test_a_picture_of_absurd_size_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PICTURE_PIXELS", 23)
    with pytest.raises(InvalidRequest, match="Picture 2 has 6×4 px"):
        open_picture(Picture(data=PNG), "Picture 2")


def describing(encode: object) -> LoadedModel:
    vae = SimpleNamespace(dtype=torch.float32)
    return cast("LoadedModel", SimpleNamespace(device=torch.device("cpu"), encode=encode, vae=vae))


def job() -> RunContext:
    return cast("RunContext", SimpleNamespace(settings=Settings(), token=CancelToken(), vae_tiled=False))


def test_a_tensor_holds_channels_rows_and_columns_from_minus_1_to_1() -> None:
    image = Image.new("RGB", (3, 2), (255, 0, 51))
    tensor = to_tensor([image, Image.new("RGB", (3, 2))], describing(None))
    assert (tensor.shape, tensor.dtype) == ((2, 3, 2, 3), torch.float32)
    torch.testing.assert_close(tensor[0, :, 1, 2], torch.tensor([1.0, -1.0, -0.6]))
    assert (tensor[1] == -1).all()


def test_pictures_are_encoded_one_by_one() -> None:
    seen: list[tuple[int, ...]] = []

    def encode(picture: Tensor, _options: VaeOptions) -> Tensor:
        seen.append(tuple(picture.shape))
        return picture[:, :1, ::8, ::8] * 2

    shown = torch.stack([torch.full((3, 16, 8), value) for value in (1.0, 2.0)])
    latents = encode_pictures(job(), describing(encode), shown)
    assert seen == [(1, 3, 16, 8), (1, 3, 16, 8)]
    torch.testing.assert_close(latents.flatten(), torch.tensor([2.0, 2.0, 4.0, 4.0]))
