"""Sound little files that fuzzing begins with, as the programs write them that people have their files from."""

import io
import struct
import zipfile
from collections.abc import Mapping

import torch
from safetensors.torch import save
from torch import Tensor, nn

_GENERATOR = torch.Generator().manual_seed(0)
_TO_Q = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
_PEFT = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def _random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=_GENERATOR)


def _lora() -> dict[str, Tensor]:
    pair = {f"{_TO_Q}.lora_down.weight": _random(2, 32), f"{_TO_Q}.lora_up.weight": _random(32, 2)}
    return {**pair, f"{_TO_Q}.alpha": torch.tensor(1.0), f"{_TO_Q}.dora_scale": _random(32, 1).abs()}


def _other_adapters() -> dict[str, dict[str, Tensor]]:
    factors = {"w1_a": (32, 2), "w1_b": (2, 32), "w2_a": (32, 2), "w2_b": (2, 32)}
    return {
        "LoHa": {f"{_TO_Q}.hada_{name}": _random(*shape) for name, shape in factors.items()},
        "LoKr": {
            f"{_TO_Q}.lokr_w1": _random(4, 4),
            f"{_TO_Q}.lokr_w2_a": _random(8, 2),
            f"{_TO_Q}.lokr_w2_b": _random(2, 8),
        },
        "OFT": {f"{_TO_Q}.oft_blocks": _random(4, 8, 8), f"{_TO_Q}.alpha": torch.tensor(1.0)},
        "GLoRA": {
            f"{_TO_Q}.{name}.weight": _random(*((2, 32) if name[1] == "1" else (32, 2)))
            for name in ("a1", "a2", "b1", "b2")
        },
        "IA3": {f"{_TO_Q}.weight": _random(32), f"{_TO_Q}.on_input": torch.tensor(data=False)},
        "full": {f"{_TO_Q}.diff": _random(32, 32), f"{_TO_Q}.diff_b": _random(32)},
        "PEFT": {f"{_PEFT}.lora_A.weight": _random(2, 32), f"{_PEFT}.lora_B.weight": _random(32, 2)},
        "bundle": {"bundle_emb.word.string_to_param.*": _random(1, 32), **_lora()},
    }


def pickled() -> dict[str, object]:
    """Return what is passed to `torch.save`, by what it is."""
    state = {"model.diffusion_model.out.0.weight": _random(4, 2), "first_stage_model.x": _random(3).half()}
    layers = {"linear.0.weight": _random(4, 2), "linear.0.bias": _random(4), "linear.1.weight": _random(2, 4)}
    layers["linear.1.bias"] = _random(2)
    return {
        "checkpoint": {"state_dict": state, "epoch": 3, "optimizer_states": [{"state": {0: _random(2)}}], "lr": 0.1},
        "shared": {"a": (whole := _random(12)), "b": whole.view(3, 4).t(), "c": [whole[2:5], (whole.long(), True)]},
        "parameters": nn.Linear(2, 2).state_dict(),
        "embedding": {"string_to_token": {"*": 265}, "string_to_param": {"*": _random(2, 8)}, "name": "n", "step": 7},
        "old embedding": {"string_to_param": nn.ParameterDict({"*": nn.Parameter(_random(2, 8))})},
        "diffusers embedding": {"<cat>": _random(8)},
        "hypernetwork": {2: (layers, dict(layers)), "activation_func": "relu", "activate_output": False, "step": 7},
        "adapter": _lora(),
    }


def torch_files() -> list[bytes]:
    """Return files of `torch.save` in both of its formats."""
    files: list[bytes] = []
    for content in pickled().values():
        for is_zip in (True, False):
            stream = io.BytesIO()
            torch.save(content, stream, _use_new_zipfile_serialization=is_zip)
            files.append(stream.getvalue())
    return files


def pickles() -> list[bytes]:
    """Return the pickles in `torch_files` alone."""
    archives = (data for data in torch_files() if data.startswith(b"PK"))
    return [_pickle_of(zipfile.ZipFile(io.BytesIO(data))) for data in archives]


def _pickle_of(archive: zipfile.ZipFile) -> bytes:
    return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def safetensors_files() -> list[bytes]:
    """Return adapters, embeddings and a checkpoint in safetensors, with the texts of trainers."""
    kohya = {
        "ss_output_name": "style",
        "ss_tag_frequency": '{"10_cat": {"cat": 5, "sitting": 2}}',
        "ss_base_model_version": "sd_v1",
        "ss_resolution": "(512, 768)",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.trigger_phrase": "cat, dog",
        "sshs_model_hash": "0" * 64,
    }
    peft = {"lora_adapter_metadata": '{"unet.r": 2, "unet.lora_alpha": 4, "unet.rank_pattern": {"to_q": 2}}'}
    files: list[tuple[dict[str, Tensor], Mapping[str, str] | None]] = [
        (_lora(), kohya),
        ({"emb_params": _random(2, 8)}, {"ss_steps": "5"}),
        ({"clip_l": _random(1, 8), "clip_g": _random(1, 12)}, None),
        (
            {
                "model.diffusion_model.a": _random(4, 2).bfloat16(),
                "first_stage_model.b": torch.ones(3, dtype=torch.bool),
            },
            None,
        ),
        *((tensors, peft if name == "PEFT" else None) for name, tensors in _other_adapters().items()),
    ]
    return [save(tensors, dict(metadata) if metadata else None) for tensors, metadata in files]


def tables() -> list[bytes]:
    """Return the JSON tables of `safetensors_files` alone."""
    return [data[8 : 8 + struct.unpack("<Q", data[:8])[0]] for data in safetensors_files()]
