"""The header of a safetensors file: a length, and a JSON table of texts and tensors. No weight is read.

Source: https://github.com/huggingface/safetensors#format
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

MAX_SIZE = 2**48  # of one dimension of a tensor
MAX_HEADER_BYTES = 8 * 2**20
"""Largest header that is read. That of SDXL with all its notes has less than 1 MiB; the format would allow 100 MB."""

LENGTH_BYTES = 8
_METADATA = "__metadata__"


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetensorsHeader:
    """What a file says about itself.

    Attributes:
        texts: its `__metadata__`, as far as it is text.
        tensors: descriptions of the tensors by name, unchecked.
    """

    texts: Mapping[str, str]
    tensors: Mapping[str, object]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of the tensor `name`; () when there is none or its description is damaged."""
        description = self.tensors.get(name)
        sizes = cast("dict[str, object]", description).get("shape") if isinstance(description, dict) else None
        if not isinstance(sizes, list):
            return ()
        plausible = all(isinstance(size, int) and 0 <= size <= MAX_SIZE for size in cast("list[object]", sizes))
        return tuple(cast("list[int]", sizes)) if plausible else ()


def read_header(path: Path) -> SafetensorsHeader | None:
    """Return the header of the file at `path`; None if it cannot be read, is damaged, too large or of another kind."""
    try:
        return parse_table(read_table(path))
    except (OSError, ValueError):
        return None


def parse_table(table: bytes) -> SafetensorsHeader:
    """Return the header in the bytes of a JSON table.

    Raises:
        ValueError: it is damaged.
    """
    try:
        parsed: Any = json.loads(str(table, "utf-8"))
    except RecursionError as error:  # brackets within brackets, a hundred thousand deep
        raise ValueError("nested too deeply") from error
    if not isinstance(parsed, dict):
        raise ValueError("no table")  # noqa: TRY004  # one error for all damage
    tensors = cast("dict[str, object]", parsed)
    metadata = tensors.pop(_METADATA, None)
    entries = cast("dict[str, object]", metadata) if isinstance(metadata, dict) else {}
    texts = {name: value for name, value in entries.items() if isinstance(value, str)}
    return SafetensorsHeader(texts=texts, tensors=tensors)


def read_table(path: Path) -> bytes:
    """Return the JSON table's bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not begin with a plausible length and a table.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if not 2 <= length <= MAX_HEADER_BYTES or file.read(1) != b"{":
            raise ValueError("no safetensors header")
        return b"{" + file.read(length - 1)
