"""Puts weights into networks: in place where they lie in the file, or converted on the way to where they compute."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modules.core.cancellation import CancelToken
from modules.hardware.float8 import FLOAT8, float8_layers, to_float8
from modules.loading.mapped import StoredTensor

MAX_THREADS = 4  # more only wait for memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A network without weights, and what is to become of it.

    Attributes:
        module: on the meta device; filled by `fill`.
        tensors: where each of its weights lies.
        device: where it computes.
        dtype: in which number format; its layers of 8 bits keep their own.
        layout: in which memory format its convolutions are kept.
    """

    module: nn.Module
    tensors: Mapping[str, StoredTensor]
    device: torch.device
    dtype: torch.dtype
    layout: torch.memory_format


def fill(
    placements: list[Placement], *, on_progress: Callable[[float], None], token: CancelToken | None = None
) -> None:
    """Give every network its weights, ready for inference.

    Weights that are already in the right format stay in the mapped file; others are converted one by one in parallel,
    and each source is let go at once, so that no second copy of the model is ever in memory.

    Raises:
        Interrupted: the token was interrupted; the networks are then useless.
    """
    done: list[dict[str, Tensor]] = [{} for _ in placements]
    for index, name, tensor in _convert_all(placements, on_progress, token):
        done[index][name] = tensor
    for placement, tensors in zip(placements, done, strict=True):
        placement.module.load_state_dict(tensors, strict=True, assign=True)
        placement.module.requires_grad_(False).eval()
        _move_buffers(placement.module, placement.device)


def keep_originals(placement: Placement, token: CancelToken | None = None) -> None:
    """Let a network's layers of 8 bits keep their parameters in 16 bits, too, in main memory.

    Raises:
        Interrupted: the token was interrupted.
    """
    for path, layer in float8_layers(placement.module).items():
        for name, parameter in placement.module.get_submodule(path).named_parameters():
            if token is not None:
                token.check_interrupted()
            stored = placement.tensors[f"{path}.{name}"]
            exact = stored.open().reshape(parameter.shape)
            layer.originals[name] = exact.to(exact.dtype if exact.dtype.itemsize == 2 else torch.float16, copy=True)
            stored.release()


def _convert_all(
    placements: list[Placement], on_progress: Callable[[float], None], token: CancelToken | None
) -> Iterator[tuple[int, str, Tensor]]:
    wanted = [
        (index, name, stored, parameter)
        for index, placement in enumerate(placements)
        for name, parameter in placement.module.state_dict().items()
        for stored in (placement.tensors[name],)
    ]
    # File by file and in their order, which a disk reads fastest.
    wanted.sort(key=lambda entry: (str(entry[2].file.path), entry[2].start))
    total, sofar, shown = sum(stored.nbytes for _, _, stored, _ in wanted) or 1, 0, 0
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        futures: list[Future[Tensor]] = [
            pool.submit(_convert, stored, parameter, placements[index]) for index, _, stored, parameter in wanted
        ]
        for (index, name, stored, _), future in zip(wanted, futures, strict=True):
            if token is not None and token.interrupted:
                pool.shutdown(cancel_futures=True)
                token.check_interrupted()
            yield index, name, future.result()
            sofar += stored.nbytes
            if (percent := 100 * sofar // total) > shown:
                shown = percent
                on_progress(percent / 100)


def _convert(stored: StoredTensor, parameter: Tensor, placement: Placement) -> Tensor:
    source = stored.open().reshape(parameter.shape)
    dtype = FLOAT8 if parameter.dtype == FLOAT8 else placement.dtype
    layout = placement.layout if source.ndim == 4 else torch.contiguous_format
    if placement.device.type != "cpu":
        # The accelerator converts faster than the CPU, and before the conversion there is less to transfer.
        target = _to_format(source.to(placement.device), dtype).contiguous(memory_format=layout)
    elif source.dtype == dtype and source.is_contiguous(memory_format=layout) and _is_aligned(source):
        return source
    elif dtype == FLOAT8:
        target = to_float8(source).contiguous(memory_format=layout)
    else:
        target = torch.empty(source.shape, dtype=dtype, memory_format=layout).copy_(source)
    stored.release()
    return target


def _to_format(numbers: Tensor, dtype: torch.dtype) -> Tensor:
    return to_float8(numbers) if dtype == FLOAT8 else numbers.to(dtype)


def _is_aligned(tensor: Tensor) -> bool:
    """Whether the numbers begin at an address that every kernel can use; files do not promise it."""
    return tensor.data_ptr() % tensor.element_size() == 0


def _move_buffers(module: nn.Module, device: torch.device) -> None:
    """Move the buffers that no file holds."""
    for part in module.modules():
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, buffer.to(device))
