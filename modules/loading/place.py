"""Puts weights into networks: in place where they lie in the file, or converted on the way to where they compute."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modules.core.cancellation import CancelToken
from modules.loading.mapped import StoredTensor

MAX_THREADS = 4  # more only wait for memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A network without weights, and what is to become of it.

    Attributes:
        module: on the meta device; filled by `fill`.
        tensors: where each of its weights lies.
        device: where it computes.
        dtype: in which number format.
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


def _convert_all(
    placements: list[Placement], on_progress: Callable[[float], None], token: CancelToken | None
) -> Iterator[tuple[int, str, Tensor]]:
    wanted = [
        (index, name, stored, parameter.shape)
        for index, placement in enumerate(placements)
        for name, parameter in placement.module.state_dict().items()
        for stored in (placement.tensors[name],)
    ]
    # In the order of the file, which a disk reads fastest.
    wanted.sort(key=lambda entry: entry[2].start)
    total, sofar, shown = sum(stored.nbytes for _, _, stored, _ in wanted) or 1, 0, 0
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
        futures: list[Future[Tensor]] = [
            pool.submit(_convert, stored, shape, placements[index]) for index, _, stored, shape in wanted
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


def _convert(stored: StoredTensor, shape: torch.Size, placement: Placement) -> Tensor:
    source = stored.open().reshape(shape)
    layout = placement.layout if source.ndim == 4 else torch.contiguous_format
    if placement.device.type != "cpu":
        # The accelerator converts faster than the CPU, and before the conversion there is less to transfer.
        target = source.to(placement.device).to(placement.dtype, memory_format=layout)
    elif source.dtype == placement.dtype and source.is_contiguous(memory_format=layout) and _is_aligned(source):
        return source
    else:
        target = torch.empty(shape, dtype=placement.dtype, memory_format=layout).copy_(source)
    stored.release()
    return target


def _is_aligned(tensor: Tensor) -> bool:
    """Whether the numbers begin at an address that every kernel can use; files do not promise it."""
    return tensor.data_ptr() % tensor.element_size() == 0


def _move_buffers(module: nn.Module, device: torch.device) -> None:
    """Move the buffers that no file holds."""
    for part in module.modules():
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, buffer.to(device))
