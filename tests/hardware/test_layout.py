import pytest
import torch

from modules.hardware.layout import choose_layout


@pytest.mark.parametrize(
    ("device", "dtype", "expected"),
    [
        ("cpu", torch.bfloat16, torch.channels_last),
        ("cpu", torch.float32, torch.contiguous_format),
        ("cuda", torch.float16, torch.contiguous_format),
    ],
)
def test_layout(device: str, dtype: torch.dtype, expected: torch.memory_format) -> None:
    assert choose_layout(torch.device(device), dtype) == expected
