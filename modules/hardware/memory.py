"""How much memory there is, and giving it back."""

import ctypes
import gc
import sys

import psutil
import torch

from modules.core.capabilities import MemoryUse

_ALLOCATION_FAILED = (
    "can't allocate memory",  # PyTorch's CPU allocator on Linux
    "DefaultCPUAllocator: not enough memory",  # and on Windows
    "MPS backend out of memory",
    "STATUS_ALLOC_FAILED",  # cuBLAS and cuDNN
)
"""What allocators say that raise a plain RuntimeError."""


def device_memory(device: torch.device) -> MemoryUse | None:
    """Return the use of an accelerator's own memory by all programs, None where there is none to ask for (CPU, MPS)."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return MemoryUse(free=free, used=total - free, total=total)


def available_bytes(device: torch.device) -> int:
    """Return how many bytes can still be allocated for tensors on `device` (main memory for CPU and MPS)."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    free, _ = torch.cuda.mem_get_info(device)
    # What PyTorch holds in reserve counts as free to us.
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def release(device: torch.device) -> None:
    """Give memory that no tensor uses any more back to the system."""
    gc.collect()
    _trim_heap()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _trim_heap() -> None:
    """Let the C library give back what lies free between what is in use: hundreds of MiB once a model has gone."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
        if trim is not None:
            trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that an allocation failed, on an accelerator or in main memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in _ALLOCATION_FAILED)
