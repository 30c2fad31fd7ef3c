from pathlib import Path

import pytest
import torch

from modules.core.flags import Flags
from modules.hardware import dtype
from modules.hardware.dtype import Precision, choose_precision

HERE = Path()
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
F16, BF16, F32 = torch.float16, torch.bfloat16, torch.float32


def test_cuda_computes_in_float16() -> None:
    assert choose_precision(Flags(data_dir=HERE), CUDA) == Precision(network=F16, vae=F16, text=F16)


@pytest.mark.parametrize("flags", [Flags(data_dir=HERE, no_half=True), Flags(data_dir=HERE, precision="full")])
@pytest.mark.parametrize("device", [CPU, CUDA])
def test_full_precision(flags: Flags, device: torch.device) -> None:
    assert choose_precision(flags, device) == Precision(network=F32, vae=F32, text=F32)


def test_no_half_vae_is_for_the_vae_alone() -> None:
    assert choose_precision(Flags(data_dir=HERE, no_half_vae=True), CUDA) == Precision(network=F16, vae=F32, text=F16)


@pytest.mark.parametrize(("bfloat16", "expected"), [(True, BF16), (False, F32)])
def test_a_cpu_computes_in_what_it_has_instructions_for(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(dtype, "_cpu_computes_bfloat16", lambda: bfloat16)
    assert choose_precision(Flags(data_dir=HERE), CPU) == Precision(network=expected, vae=expected, text=F32)


def test_words_for_people() -> None:
    assert str(Precision(network=BF16, vae=BF16, text=F32)) == "bfloat16"
    assert str(Precision(network=F16, vae=F32, text=F16)) == "float16, VAE float32"
