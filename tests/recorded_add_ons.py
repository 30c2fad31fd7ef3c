"""The add-ons of the recordings in `tests/data/a1111`, with the bytes whose hashes the infotexts name.

Every tensor is drawn from `RandomState(crc32(name/key)).standard_normal(shape)` and scaled.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.adapters.recorded_add_ons import write_embeddings, write_hypernetwork
from tests.recorded_weights import TEXT_INNER, TEXT_LAYERS, TEXT_WIDTH

Array = npt.NDArray[np.float64]
Arrays = dict[str, Array]

_BLOCK = "attentions_{}_transformer_blocks_0_{}"
_LINEAR: dict[str, tuple[int, ...]] = {
    "lora_unet_down_blocks_0_" + _BLOCK.format(0, "attn1_to_q"): (32, 32),
    "lora_unet_down_blocks_0_" + _BLOCK.format(1, "attn2_to_k"): (32, 64),
    "lora_unet_down_blocks_1_" + _BLOCK.format(0, "attn2_to_v"): (64, 64),
    "lora_unet_down_blocks_2_" + _BLOCK.format(1, "ff_net_0_proj"): (1024, 128),
    "lora_unet_mid_block_" + _BLOCK.format(0, "attn1_to_out_0"): (128, 128),
    "lora_unet_up_blocks_1_" + _BLOCK.format(2, "attn2_to_q"): (128, 128),
    "lora_unet_up_blocks_3_" + _BLOCK.format(1, "attn2_to_out_0"): (32, 32),
    "lora_unet_up_blocks_3_" + _BLOCK.format(2, "ff_net_2"): (32, 128),
}
_PROJECTIONS: dict[str, tuple[int, ...]] = {
    "lora_unet_down_blocks_0_attentions_0_proj_in": (32, 32, 1),
    "lora_unet_up_blocks_3_attentions_1_proj_out": (32, 32, 1),
}
_TEXT: dict[str, tuple[int, ...]] = {
    f"lora_te_text_model_encoder_layers_{layer}_{module}": shape
    for layer in range(TEXT_LAYERS)
    for module, shape in {
        **{f"self_attn_{part}_proj": (TEXT_WIDTH, TEXT_WIDTH) for part in ("q", "k", "v", "out")},
        "mlp_fc1": (TEXT_INNER, TEXT_WIDTH),
        "mlp_fc2": (TEXT_WIDTH, TEXT_INNER),
    }.items()
}
_CONVOLUTIONS: dict[str, tuple[int, ...]] = {
    "lora_unet_down_blocks_0_resnets_0_conv1": (32, 32, 3),
    "lora_unet_down_blocks_1_resnets_0_conv_shortcut": (64, 32, 1),
    "lora_unet_down_blocks_1_downsamplers_0_conv": (64, 64, 3),
    "lora_unet_mid_block_resnets_1_conv2": (128, 128, 3),
    "lora_unet_up_blocks_1_upsamplers_0_conv": (128, 128, 3),
    "lora_unet_up_blocks_3_resnets_2_conv1": (32, 64, 3),
}
_NORMS = {
    "lora_unet_down_blocks_0_resnets_0_norm1": 32,
    "lora_unet_down_blocks_1_resnets_1_norm2": 64,
    "lora_unet_mid_block_attentions_0_norm": 128,
    "lora_unet_down_blocks_1_" + _BLOCK.format(0, "norm2"): 64,
}


def write_recorded_add_ons(data: Path) -> None:
    """Write them into the folders of a data folder."""
    lora, embeddings, hypernetworks = data / "models" / "Lora", data / "embeddings", data / "models" / "hypernetworks"
    for folder in (lora, embeddings, hypernetworks):
        folder.mkdir(parents=True, exist_ok=True)
    _write_lora(lora, "lin", _low_rank("lin", {**_LINEAR, **_PROJECTIONS, **_TEXT}, alpha=2))
    _write_lora(lora, "locon", _low_rank("locon", {**_LINEAR, **_PROJECTIONS, **_CONVOLUTIONS}, alpha=4))
    _write_lora(lora, "ia3", _ia3())
    _write_lora(lora, "norm", _norm())
    bundled = {"bundle_emb.bundlemb.string_to_param.*": _drawn("bundle/emb", (2, TEXT_WIDTH))}
    first_two = dict(list(_LINEAR.items())[:2])
    _write_lora(lora, "bundle", _low_rank("bundle", first_two, alpha=4) | bundled)
    write_embeddings(embeddings)
    write_hypernetwork(hypernetworks / "hyp.pt", activation="linear", norm=False)
    write_hypernetwork(hypernetworks / "hyprelu.pt", activation="relu", norm=True)


def _drawn(key: str, shape: tuple[int, ...], scale: float = 1.0) -> Array:
    return scale * np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)


def _low_rank(name: str, modules: Mapping[str, tuple[int, ...]], *, alpha: float, rank: int = 4) -> Arrays:
    tensors: Arrays = {}
    for module, (out, into, *kernel) in modules.items():
        sides = (kernel[0], kernel[0]) if kernel else ()
        down, up = (rank, into, *sides), (out, rank, *(1 for _ in sides))
        scale = float(1 / np.sqrt(np.prod(down[1:])))
        tensors[f"{module}.lora_down.weight"] = _drawn(f"{name}/{module}d", down, scale)
        tensors[f"{module}.lora_up.weight"] = _drawn(f"{name}/{module}u", up, 0.35)
        tensors[f"{module}.alpha"] = np.array(alpha)
    return tensors


def _ia3() -> Arrays:
    tensors: Arrays = {}
    for module, (out, into) in _LINEAR.items():
        on_input = module.endswith("ff_net_2")
        tensors[f"{module}.weight"] = _drawn(f"ia3/{module}", (into if on_input else out,), 0.35)
        tensors[f"{module}.on_input"] = np.array(float(on_input))
    return tensors


def _norm() -> Arrays:
    tensors: Arrays = {}
    for module, channels in _NORMS.items():
        tensors[f"{module}.w_norm"] = _drawn(f"norm/{module}w", (channels,), 0.4)
        tensors[f"{module}.b_norm"] = _drawn(f"norm/{module}b", (channels,), 0.3)
    return tensors


def _write_lora(folder: Path, name: str, tensors: Mapping[str, Array]) -> None:
    """Write a safetensors file with its tensors in the order of their names, as the recorded hashes want it."""
    metadata = {"ss_output_name": name, "ss_base_model_version": "sd_v1", "ss_network_module": "networks.lora"}
    header: dict[str, object] = {"__metadata__": metadata}
    content = b""
    for key in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[key], np.float32)
        offsets = [len(content), len(content) + tensor.nbytes]
        header[key] = {"dtype": "F32", "shape": list(tensors[key].shape), "data_offsets": offsets}
        content += tensor.tobytes()
    text = json.dumps(header).encode()
    (folder / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content)
