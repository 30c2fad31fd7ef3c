"""Read what a safetensors file says about itself, without reading a weight.

Format: https://github.com/huggingface/safetensors#format. The metadata keys `modelspec.*` are those of
https://github.com/Stability-AI/ModelSpec.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from modules.core.errors import ModelFileError

LENGTH_BYTES = 8
MAXIMUM_HEADER = 100_000_000  # bytes; the limit of the safetensors library
METADATA_KEY = "__metadata__"
MODELSPEC_PREFIX = "modelspec."


class TensorEntry(BaseModel):
    """One tensor of the file.

    Attributes:
        dtype: as safetensors writes it ("F16").
        shape: sizes of its dimensions.
        data_offsets: its first byte and the byte after its last one, counted from the end of the header.
    """

    model_config = ConfigDict(frozen=True)

    dtype: str
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]


_TENSORS = TypeAdapter(dict[str, TensorEntry])


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetensorsHeader:
    """The header of a safetensors file.

    Attributes:
        metadata: texts by name, as the maker of the file wrote them.
        tensors: by key.
        data_start: byte at which the tensors begin.
    """

    metadata: dict[str, str]
    tensors: dict[str, TensorEntry]
    data_start: int

    @property
    def modelspec(self) -> dict[str, str]:
        """The metadata of the ModelSpec standard without their prefix ("title", "architecture", "author" …)."""
        items = self.metadata.items()
        return {key.removeprefix(MODELSPEC_PREFIX): text for key, text in items if key.startswith(MODELSPEC_PREFIX)}


def read_header(path: Path) -> SafetensorsHeader:
    """Return the header of the safetensors file at `path`.

    Raises:
        ModelFileError: the file is missing, is not in this format, or ends before its tensors do.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(LENGTH_BYTES)
            length = _header_length(path, start, size)
            content = file.read(length)
    except OSError as error:
        raise ModelFileError(f"Cannot read {path}: {error.strerror}.") from error
    metadata, tensors = _parse(path, content)
    data_start = LENGTH_BYTES + length
    missing = data_start + max((entry.data_offsets[1] for entry in tensors.values()), default=0) - size
    if missing > 0:
        raise ModelFileError(f"{path.name} is truncated: {missing} bytes are missing. Download or copy it again.")
    return SafetensorsHeader(metadata=metadata, tensors=tensors, data_start=data_start)


def _header_length(path: Path, start: bytes, size: int) -> int:
    if len(start) < LENGTH_BYTES:
        raise ModelFileError(f"{path.name} is not a safetensors file: it has only {len(start)} bytes.")
    length = int.from_bytes(start, "little")
    if length > MAXIMUM_HEADER:
        raise ModelFileError(f"{path.name} is not a safetensors file.")
    if LENGTH_BYTES + length > size:
        raise ModelFileError(f"{path.name} is truncated or not a safetensors file: it ends within its header.")
    return length


def _parse(path: Path, content: bytes) -> tuple[dict[str, str], dict[str, TensorEntry]]:
    """Return the metadata and the tensors that a header speaks of; metadata that are not texts are left out."""
    try:
        fields: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path.name} is not a safetensors file: its header is not JSON.") from error
    if not isinstance(fields, dict):
        raise ModelFileError(f"{path.name} is not a safetensors file: its header is not a JSON object.")
    entries = cast("dict[str, object]", fields)
    metadata = entries.pop(METADATA_KEY, None)
    texts = cast("dict[str, object]", metadata) if isinstance(metadata, dict) else {}
    try:
        tensors = _TENSORS.validate_python(entries)
    except ValidationError as error:
        name = error.errors(include_url=False)[0]["loc"][0]
        raise ModelFileError(f"{path.name} is damaged: its header is wrong about the tensor {name}.") from error
    return {key: text for key, text in texts.items() if isinstance(text, str)}, tensors
