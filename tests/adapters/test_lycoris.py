"""Files that the package lycoris-lora writes, and what its own modules do with them."""

import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from lycoris import create_lycoris  # pyright: ignore[reportMissingTypeStubs,reportUnknownVariableType]
from torch import nn

from modules.adapters.adapter_file import read_adapter
from modules.adapters.keys import index_components
from modules.adapters.kinds.base import Use
from tests.adapters.tiny_networks import apply, assert_same, fill, tiny_unet

ALGORITHMS: dict[str, dict[str, Any]] = {
    "lora": {"algo": "lora"},
    "lora-stabilised": {"algo": "lora", "rs_lora": True},
    "locon-tucker": {"algo": "locon", "use_tucker": True},
    "locon-scalar": {"algo": "locon", "use_scalar": True},
    "loha": {"algo": "loha"},
    "loha-tucker": {"algo": "loha", "use_tucker": True},
    "lokr": {"algo": "lokr", "factor": 4, "linear_dim": 2, "conv_dim": 2},
    "lokr-both": {"algo": "lokr", "factor": 16, "decompose_both": True, "linear_dim": 1, "conv_dim": 1},
    "lokr-full": {"algo": "lokr", "full_matrix": True},
    "lokr-tucker": {"algo": "lokr", "factor": 4, "linear_dim": 2, "conv_dim": 2, "use_tucker": True},
    "ia3": {"algo": "ia3"},
    "ia3-input": {"algo": "ia3", "train_on_input": True},
    "glora": {"algo": "glora"},
    "full": {"algo": "full"},
    "norm": {"algo": "lora", "train_norm": True},
    "oft": {"algo": "diag-oft"},
    "oft-constraint": {"algo": "diag-oft", "constraint": 0.01},
}
"""The LyCORIS algorithms that are linear in the strength."""

AT_FULL_STRENGTH: dict[str, dict[str, Any]] = {
    "oft-rescaled": {"algo": "diag-oft", "rescaled": True},
    "boft": {"algo": "boft"},
    "boft-rescaled": {"algo": "boft", "rescaled": True, "constraint": 0.01},
    "dora": {"algo": "lora", "dora_wd": True, "wd_on_output": True},
    "dora-input": {"algo": "lora", "dora_wd": True, "wd_on_output": False},
    "doha": {"algo": "loha", "dora_wd": True, "wd_on_output": True},
    "dokr": {"algo": "lokr", "dora_wd": True, "wd_on_output": False, "factor": 4},
}
"""Those which LyCORIS mixes with the weight in another way than A1111 does."""


@pytest.fixture(autouse=True)
def _quiet() -> Generator[None]:
    logger = logging.getLogger("LyCORIS")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)


@pytest.mark.parametrize("name", [*ALGORITHMS, *AT_FULL_STRENGTH])
def test_layers_make_what_those_of_lycoris_make(name: str, tmp_path: Path) -> None:
    ours, theirs = tiny_unet(), tiny_unet()
    strength = 0.7 if name in ALGORITHMS else 1.0
    path = _trained(theirs, tmp_path, strength, ALGORITHMS.get(name) or AT_FULL_STRENGTH[name])
    adapter = read_adapter(path, index_components({"unet": ours}, family="SD 1.x"))
    assert adapter.unmatched == ()
    apply(adapter, ours, "unet", Use(strength=strength))
    assert_same(ours, theirs, tiny_unet(), at_least=80)


def _trained(network: nn.Module, folder: Path, strength: float, options: dict[str, Any]) -> Path:
    """Wrap a network into an adapter as if it had been trained; return its file."""
    options = {"linear_dim": 4, "linear_alpha": 2, "conv_dim": 4, "conv_alpha": 3} | options
    lycoris: Any = create_lycoris(network, strength, preset="full", **options)
    lycoris.apply_to()
    fill(lycoris, 3)
    lycoris.eval()
    path = folder / "trained.safetensors"
    lycoris.save_weights(str(path), torch.float32, {})
    return path
