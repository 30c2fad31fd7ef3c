"""Files with the header of a safetensors checkpoint and nothing behind it: enough for all that reads no weight."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

PROMPTS = ("a red circle on a blue background", "two green stars, pixel art", "hills by the sea at night")


def with_length(table: bytes, *, length: int | None = None) -> bytes:
    """Return a header of the bytes `table`, and of a length that is a lie if one is given."""
    return (len(table) if length is None else length).to_bytes(8, "little") + table


def write_header(
    path: Path, metadata: Mapping[str, object] | None = None, shapes: Mapping[str, Sequence[int]] | None = None
) -> Path:
    """Write a file that has this metadata, and tensors of these shapes."""
    tensors = {name: {"dtype": "F16", "shape": list(shape)} for name, shape in (shapes or {}).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(with_length(json.dumps({"__metadata__": metadata or {}, **tensors}).encode()))
    return path


def write_demo(folder: Path, *, prompts: Sequence[str] = PROMPTS, size: str = "128x128") -> Path:
    """Write a demo model as it ships: beside it its yaml, and the folder of its text encoder."""
    metadata = {"modelspec.resolution": size, "easel.demo": "true", "easel.prompts": json.dumps(prompts)}
    path = write_header(folder / "easel-demo.safetensors", metadata)
    path.with_suffix(".yaml").write_text("model: {params: {parameterization: eps}}")
    (folder / "easel-demo-text-encoder").mkdir(exist_ok=True)
    (folder / "easel-demo-text-encoder" / "config.json").write_text("{}")
    return path
