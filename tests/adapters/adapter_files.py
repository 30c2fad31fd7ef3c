"""Writes files of adapters."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  # os.PathLike without argument
from torch import Tensor

SD1_METADATA = {"ss_base_model_version": "sd_v1", "ss_network_module": "networks.lora"}


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Path:
    """Write a `.safetensors` file, or one of `torch.save` by any other ending."""
    if path.suffix == ".safetensors":
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            path,
            metadata=dict(metadata) if metadata else None,
        )
    else:
        torch.save(dict(tensors), path)
    return path


def kohya_lora(
    names: Iterable[str], shapes: Iterable[tuple[int, ...]], *, rank: int = 2, seed: int = 0
) -> dict[str, Tensor]:
    """A LoRA as sd-scripts writes it, of alpha 1 and float16, for modules of these names and shapes."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for name, (out, into, *kernel) in zip(names, shapes, strict=True):
        tensors[f"{name}.lora_down.weight"] = torch.randn(rank, into, *kernel, generator=generator).half()
        tensors[f"{name}.lora_up.weight"] = torch.randn(out, rank, *(1 for _ in kernel), generator=generator).half() / 8
        tensors[f"{name}.alpha"] = torch.tensor(1.0)
    return tensors
