"""Writes embeddings as trainers do."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from PIL.PngImagePlugin import PngInfo
from torch import Tensor


def vectors(count: int, width: int = 32, seed: int = 0) -> Tensor:
    """Return random vectors [count, width]."""
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def trained(given: Tensor, name: str = "inner name", step: int = 100) -> dict[str, Any]:
    """Return what A1111 passes to `torch.save`."""
    return {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": given},
        "name": name,
        "step": step,
        "sd_checkpoint": "7460a6fa",
        "sd_checkpoint_name": "model",
    }


def save(path: Path, content: object, *, legacy: bool = False) -> Path:
    """Write a file with `torch.save`, in the format before PyTorch 1.6 if `legacy`."""
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def as_json(content: dict[str, Any]) -> bytes:
    """Return the text that A1111 hides in pictures."""
    return json.dumps(content, default=lambda tensor: {"TORCHTENSOR": tensor.tolist()}).encode()


def as_info(content: dict[str, Any]) -> PngInfo:
    """Return the PNG chunk that A1111 hides it in."""
    info = PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(as_json(content)).decode())
    return info


def photo(width: int, height: int) -> Image.Image:
    """Return a picture without black lines."""
    noise = np.random.default_rng(0).integers(1, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1))


def hidden_in_pixels(text: bytes, height: int = 96, *, border: int = 0) -> Image.Image:
    """Return a picture with blocks of `text` at its sides."""
    data = zlib.compress(text, 9)
    columns = -(-len(data) // (3 * height)) + 1
    repeated = (data * (1 + columns * height * 3 // len(data)))[: columns * height * 3]
    blocks: list[Image.Image] = []
    for shift in (0, 4):
        state, values = 0, bytearray()
        for i, byte in enumerate(repeated):
            state = (1664525 * state + 1013904223) % 2**32
            pattern = (i // 7 % 9 + 1) << 4  # what the block looks like
            values.append((byte >> shift & 0x0F) ^ (state % 255 & 0x0F) | pattern)
        blocks.append(Image.frombytes("RGB", (columns, height), bytes(values)))
    middle = photo(64, height)
    whole = Image.new("RGB", (2 * columns + middle.width + 2, height))
    whole.paste(blocks[0], (0, 0))
    whole.paste(middle, (columns + 1, 0))
    whole.paste(blocks[1], (columns + middle.width + 2, 0))
    framed = Image.new("RGB", (whole.width + 2 * border, height + 2 * border))
    framed.paste(whole, (border, border))
    return framed
