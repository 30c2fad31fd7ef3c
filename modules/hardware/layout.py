"""In which order a picture's channels lie in memory."""

import torch


def choose_layout(device: torch.device, dtype: torch.dtype) -> torch.memory_format:
    """Return the memory format in which convolutions of `dtype` are fastest on `device`.

    Channels last takes a fifth off a bfloat16 step on a CPU. It gains nothing for float32 there, and nothing on CUDA as
    long as group normalisation falls back to channels first.
    """
    if device.type == "cpu" and dtype == torch.bfloat16:
        return torch.channels_last
    return torch.contiguous_format
