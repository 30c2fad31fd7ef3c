"""Tensors that lie in files and are looked at in place."""

import contextlib
import math
import mmap
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from modules.core.errors import ModelFileError

MAX_DIMENSIONS = 16  # weights have up to 5; the time that sizes take to multiply grows with the square of their number
MAX_NUMBERS = 2**48
MAX_TENSORS = 50_000  # in a file; a training checkpoint of SDXL with its averages and its optimizer has 8,000


class MappedFile:
    """A file mapped into memory: reading it costs nothing until its pages are touched, and then only page cache.

    The mapping is private: writing to a tensor that looks into it changes memory and never the file.
    """

    def __init__(self, path: Path) -> None:
        """Map `path`.

        Raises:
            ModelFileError: the file is gone, unreadable or empty.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except FileNotFoundError as error:
            raise missing_file(path) from error
        except ValueError as error:
            raise ModelFileError(f"“{path.name}” is empty (0 bytes). Download it again.") from error
        except OSError as error:
            raise ModelFileError(f"“{path.name}” cannot be read: {error.strerror}.") from error

    def __len__(self) -> int:
        return len(self.bytes)

    def release(self, start: int, end: int) -> None:
        """Let the system take the pages between two offsets (bytes) back; they are read again when touched."""
        first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            with contextlib.suppress(OSError):  # only advice
                self.bytes.madvise(mmap.MADV_DONTNEED, first, last - first)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """Where one tensor lies. Nothing is read before `open`.

    Attributes:
        file: the file.
        start: offset of the first element, bytes.
        dtype: number format in the file.
        shape: sizes.
        stride: distance of neighbours in elements, None for the usual contiguous order.
    """

    file: MappedFile
    start: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor's elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    def rows(self, start: int, end: int) -> "StoredTensor":
        """Return the part of the tensor from one index of its first dimension to another one, as a slice."""
        shape = (len(range(self.shape[0])[start:end]), *self.shape[1:])
        step = math.prod(self.shape[1:]) if self.stride is None else self.stride[0]
        return replace(self, start=self.start + start * step * self.dtype.itemsize, shape=shape)

    def transposed(self) -> "StoredTensor":
        """Return the matrix with its dimensions exchanged."""
        (height, width), stride = self.shape, self.stride or (self.shape[1], 1)
        return replace(self, shape=(width, height), stride=stride[::-1])

    def open(self) -> Tensor:
        """Return the tensor as a view into the mapped file; it may start at an odd address."""
        count = span(self.shape, self.stride)
        if count == 0:
            return torch.empty(self.shape, dtype=self.dtype)
        flat = torch.frombuffer(self.file.bytes, dtype=self.dtype, count=count, offset=self.start)
        return flat.view(self.shape) if self.stride is None else flat.as_strided(self.shape, self.stride)

    def release(self) -> None:
        """Say that the tensor has been copied and its pages are not needed any more."""
        self.file.release(self.start, self.start + span(self.shape, self.stride) * self.dtype.itemsize)


def span(shape: tuple[int, ...], stride: tuple[int, ...] | None) -> int:
    """Return how many elements lie between the first and the last of a tensor, both included."""
    if 0 in shape:
        return 0
    if stride is None:
        return math.prod(shape)
    return 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))


def is_shape(sizes: Collection[int]) -> bool:
    """Whether a tensor may have these sizes, at least 0 each: they are few, and their product is far from overflowing.

    Empty dimensions do not count, as PyTorch multiplies the others all the same.
    """
    return len(sizes) <= MAX_DIMENSIONS and math.prod(max(size, 1) for size in sizes) <= MAX_NUMBERS


def too_many_tensors(file: MappedFile) -> ModelFileError:
    """The error for a file with more than `MAX_TENSORS`."""
    return ModelFileError(f"“{file.path.name}” holds more than {MAX_TENSORS:,} tensors, which no model does.")


def missing_file(path: Path) -> ModelFileError:
    """The error for a file that was listed and is not there any more."""
    return ModelFileError(
        f"“{path.name}” is no longer in {path.parent}. Refresh the checkpoint list and choose another."
    )
