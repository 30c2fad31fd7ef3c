import gc
import platform
import sys
import weakref

import psutil
import pytest
import torch

from modules.core.capabilities import MemoryUse
from modules.hardware.memory import available_bytes, device_memory, is_out_of_memory, release

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def test_a_cpu_has_no_memory_of_its_own() -> None:
    assert device_memory(CPU) is None
    assert available_bytes(CPU) > 2**20


def test_cuda_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(name: str, value: object) -> None:
        def asked(_device: torch.device) -> object:
            return value

        monkeypatch.setattr(torch.cuda, name, asked)

    answer("mem_get_info", (300, 1000))
    answer("memory_reserved", 200)
    answer("memory_allocated", 50)
    assert device_memory(CUDA) == MemoryUse(free=300, used=700, total=1000)
    assert available_bytes(CUDA) == 450


def test_release_breaks_cycles() -> None:
    class Node:
        """Refers to itself."""

        def __init__(self) -> None:
            self.me = self

    gc.disable()
    try:
        alive = weakref.ref(Node())
        assert alive() is not None
        release(CPU)
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_release_gives_back_what_lies_free_below_what_is_in_use() -> None:
    process, size = psutil.Process(), 100_000
    blocks = [torch.ones(size, dtype=torch.uint8) for _ in range(2000)]
    held = process.memory_info().rss
    del blocks[:-1]
    release(CPU)
    assert process.memory_info().rss < held - 1500 * size


def test_out_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
