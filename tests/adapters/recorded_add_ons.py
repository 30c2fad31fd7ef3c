"""The embeddings and hypernetworks that the recordings were made with, number for number."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

WIDTH = 64


def drawn(key: str, shape: Sequence[int]) -> Tensor:
    """Return the numbers that `key` stands for."""
    numbers = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(tuple(shape))
    return torch.tensor(numbers)


def write_embeddings(folder: Path) -> Path:
    """Write `emb-st1`, `emb-pt3`, `emb-diff`, `emb-xl` and `emb-wrong` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": _vectors("emb-st1", 1)}, folder / "emb-st1.safetensors")
    both = {"clip_l": _vectors("emb-xl/l", 2), "clip_g": _vectors("emb-xl/g", 2)}
    save_file(both, folder / "emb-xl.safetensors")
    torch.save({"<emb-diff>": _vectors("emb-diff", 1)[0]}, folder / "emb-diff.bin")
    for name, vectors in (("emb-pt3", _vectors("emb-pt3", 3)), ("emb-wrong", torch.zeros(1, 768))):
        torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}}, folder / f"{name}.pt")
    return folder


def _vectors(name: str, count: int) -> Tensor:
    return drawn(f"emb/{name}", (count, WIDTH)).float()


def write_hypernetwork(path: Path, *, activation: str, norm: bool) -> Path:
    """Write the hypernetwork that is called as its file."""
    states = {
        width: tuple(
            _states(f"{path.stem}/{width}/{which}", width, norm=norm, activates=activation != "linear")
            for which in "kv"
        )
        for width in (64, 128)
    }
    said = {
        "layer_structure": [1, 2, 1],
        "activation_func": activation,
        "is_layer_norm": norm,
        "activate_output": False,
    }
    torch.save({**states, **said}, path)
    return path


def _states(key: str, width: int, *, norm: bool, activates: bool) -> dict[str, Tensor]:
    states: dict[str, Tensor] = {}
    place = 0
    for number, (size, following) in enumerate(((width, 2 * width), (2 * width, width))):
        weight = drawn(f"{key}/{place}w", (following, size)) * (0.7 / np.sqrt(size))
        states[f"linear.{place}.weight"] = weight.float()
        states[f"linear.{place}.bias"] = (drawn(f"{key}/{place}b", (following,)) * 0.05).float()
        place += 2 if activates and number == 0 else 1
        if norm:
            states[f"linear.{place}.weight"] = 1 + (drawn(f"{key}/{place}lw", (following,)) * 0.1).float()
            states[f"linear.{place}.bias"] = (drawn(f"{key}/{place}lb", (following,)) * 0.05).float()
            place += 1
    return states
