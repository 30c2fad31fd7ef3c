"""Hostile embeddings, pictures, hypernetworks and adapters: their tensors are sound, what is said of them is not."""

import base64
import io
import json
import struct
import zlib
from functools import partial

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save
from torch import Tensor

from tests.hostile.hostile_file import HostileFile
from tests.hostile.pickle_code import text, whole
from tests.hostile.pickle_damage import NUMBERS, counts, number, tensor, weights
from tools.fuzz.containers import torch_zip

TO_Q = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def _embedding(*more: bytes) -> bytes:
    """An embedding of one vector beside other items of its dict."""
    vectors = b"}" + text("*") + tensor() + b"s"
    return torch_zip(
        whole(b"}" + text("string_to_param") + vectors + b"s" + b"".join(item + b"s" for item in more)), NUMBERS
    )


def _hypernetwork(activation: bytes) -> bytes:
    layers = b"}" + text("linear.0.weight") + tensor(shape=counts(2, 2), stride=counts(2, 1)) + b"s"
    named = text("activation_func") + activation + b"s"
    return torch_zip(whole(b"}" + named + number(2) + layers + b"q\0h\0\x86s"), NUMBERS)


def _many_networks() -> bytes:
    """Networks that are all made of the same 4 MB."""
    layer = tensor(shape=counts(1000, 1000), stride=counts(1000, 1))
    layer = layer.replace(b"\x8a\1\4tQ", number(1_000_000) + b"tQ")
    states = b"".join(number(width) + b"}" + text("linear.0.weight") + layer + b"sq\0h\0\x86s" for width in range(500))
    return torch_zip(whole(b"}" + states), bytes(4_000_000))


def _wide_hypernetwork() -> bytes:
    layer = tensor(shape=counts(2**47, 0), stride=counts(1, 1))
    return torch_zip(whole(b"}" + number(0) + b"}" + text("linear.0.weight") + layer + b"sq\0h\0\x86s"), NUMBERS)


def _png(chunk: str = "", size: tuple[int, int] = (64, 64), pixels: bytes = b"") -> bytes:
    info, stream = PngInfo(), io.BytesIO()
    if chunk:
        info.add_text("sd-ti-embedding", base64.b64encode(chunk.encode()).decode())
    image = Image.frombytes("RGB", size, pixels) if pixels else Image.new("RGB", size, "white")
    image.save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def _claimed_png() -> bytes:
    """A picture that claims to have 2^31 - 1 pixels in both directions."""
    data = bytearray(_png())
    header = b"IHDR" + struct.pack(">LL", 2**31 - 1, 2**31 - 1) + data[24:29]
    data[12:33] = header + struct.pack(">L", zlib.crc32(header))
    return bytes(data)


def _hidden_bomb() -> bytes:
    """A picture whose blocks at the sides hold 100 compressed megabytes."""
    squeeze = zlib.compressobj(9)
    data = b"".join(squeeze.compress(bytes(2**20)) for _ in range(100)) + squeeze.flush()
    height = 1024
    columns = -(-len(data) // (3 * height))
    data = data.ljust(columns * height * 3, b"\0")
    # The numbers of the generator that the half-bytes are mixed with.
    state, halves = 0, (bytearray(), bytearray())
    for byte in data:
        state = (1664525 * state + 1013904223) % 2**32
        for half, shift in zip(halves, (0, 4), strict=True):
            half.append((byte >> shift & 15) ^ (state % 255 & 15) | 0x50)
    whole_picture = Image.new("RGB", (2 * columns + 10, height), "white")
    for left, half in ((0, halves[0]), (columns + 10, halves[1])):
        whole_picture.paste(Image.frombytes("RGB", (columns, height), bytes(half)), (left, 0))
    for column in (columns, columns + 9):
        whole_picture.paste((0, 0, 0), (column, 0, column + 1, height))
    stream = io.BytesIO()
    whole_picture.save(stream, "PNG")
    return stream.getvalue()


def _vectors(value: object) -> str:
    return json.dumps({"string_to_param": {"*": {"TORCHTENSOR": value}}})


def _lora(metadata: dict[str, str] | None = None, **tensors: Tensor) -> bytes:
    return save({f"{TO_Q}.{name.replace('__', '.')}": tensor for name, tensor in tensors.items()}, metadata)


def _pair(**more: Tensor) -> dict[str, Tensor]:
    return {"lora_down__weight": torch.ones(2, 32), "lora_up__weight": torch.ones(32, 2), **more}


def _peft(alpha: str) -> bytes:
    described = {"lora_adapter_metadata": f'{{"unet.r":4,"unet.lora_alpha":{alpha}}}'}
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    return save({f"{name}.lora_A.weight": torch.ones(2, 32), f"{name}.lora_B.weight": torch.ones(32, 2)}, described)


OTHER_FILES: tuple[HostileFile, ...] = tuple(
    HostileFile(name=name, make=make, suffix=suffix, fault=fault)
    for name, make, suffix, fault in (
        ("embedding with a step of 1,000 bits", partial(_embedding, text("step") + number(2**1000)), ".pt", ""),
        (
            "embedding whose name is an escape sequence",
            partial(_embedding, text("name") + text("\x1b[2J\n\ud800")),
            ".pt",
            "",
        ),
        ("embedding whose name is a list of itself", partial(_embedding, text("name") + b"]q\0h\0a"), ".pt", ""),
        ("embedding of a number", lambda: torch_zip(weights(tensor(shape=b")", stride=b")")), NUMBERS), ".pt", ""),
        (
            "hypernetwork whose activation is lists in lists",
            partial(_hypernetwork, b"]" * 50_000 + b"a" * 49_999),
            ".pt",
            "",
        ),
        ("hypernetwork whose activation is a long text", partial(_hypernetwork, text("é" * 5_000_000)), ".pt", ""),
        ("hypernetworks of the same numbers", _many_networks, ".pt", "far more numbers than the file"),
        ("hypernetwork of empty layers", _wide_hypernetwork, ".pt", ""),
        ("picture with lists a million deep", partial(_png, "[" * 1_000_000), ".png", "PNG picture"),
        ("picture with an embedding of texts", partial(_png, _vectors([["x"]])), ".png", "PNG picture"),
        ("picture with an embedding of ragged lists", partial(_png, _vectors([[1], [1, 2]])), ".png", "PNG picture"),
        ("picture with a huge number", partial(_png, _vectors([10**4000])), ".png", "PNG picture"),
        (
            "picture with vectors 40 deep",
            partial(_png, '{"string_to_param":{"*":{"TORCHTENSOR":' + "[" * 40 + "1" + "]" * 40 + "}}}"),
            ".png",
            "PNG picture",
        ),
        (
            "picture with 4 MiB of lists",
            partial(_png, '{"string_to_param":[' + "[]," * 1_390_000 + "[]]}"),
            ".png",
            "PNG picture",
        ),
        ("picture of 2^62 pixels", _claimed_png, ".png", "PNG picture"),
        ("picture of black", partial(_png, size=(500, 500), pixels=bytes(750_000)), ".png", "PNG picture"),
        ("picture that hides 100 MB", _hidden_bomb, ".png", "PNG picture"),
        (
            "adapter with alpha that is no number",
            partial(_lora, None, **_pair(alpha=torch.tensor(float("nan")))),
            ".safetensors",
            "",
        ),
        (
            "adapter with alpha of many numbers",
            partial(_lora, None, **_pair(alpha=torch.ones(2, 2))),
            ".safetensors",
            "",
        ),
        (
            "adapter of infinite numbers",
            partial(_lora, None, **_pair(dora_scale=torch.full((32, 1), torch.inf))),
            ".safetensors",
            "",
        ),
        (
            "adapter of rank 0",
            partial(_lora, None, lora_down__weight=torch.ones(0, 32), lora_up__weight=torch.ones(32, 0)),
            ".safetensors",
            "",
        ),
        (
            "adapter of numbers",
            partial(_lora, None, lora_down__weight=torch.tensor(1.0), lora_up__weight=torch.tensor(1.0)),
            ".safetensors",
            "",
        ),
        (
            "adapter of 7 dimensions",
            partial(_lora, None, **_pair(lora_mid__weight=torch.ones(1, 1, 1, 1, 1, 2, 2))),
            ".safetensors",
            "",
        ),
        (
            "adapter whose Kronecker product has 10^12 numbers",
            partial(_lora, None, lokr_w1=torch.ones(1000, 1000), lokr_w2=torch.ones(1000, 1000)),
            ".safetensors",
            "",
        ),
        (
            "adapter of blocks that are no squares",
            partial(_lora, None, oft_blocks=torch.ones(4, 8, 7)),
            ".safetensors",
            "",
        ),
        (
            "adapter of indices outside of the weight",
            partial(_lora, None, indices=torch.full((4,), 2**40), sparse_diff=torch.ones(4)),
            ".safetensors",
            "",
        ),
        ("adapter with an alpha of 400 digits", partial(_peft, "1" + "0" * 400), ".safetensors", ""),
        ("adapter with an infinite alpha", partial(_peft, "1e999"), ".safetensors", ""),
        ("adapter with an alpha a million lists deep", partial(_peft, "[" * 1_000_000), ".safetensors", ""),
    )
)
