"""Tells what a model file is, from what stands before its weights."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from modules.core.errors import ModelFileError, UnsafeFileError
from modules.library.file_report import FileReport, Numbers
from modules.library.hashing import weight_files
from modules.library.kinds import RANKED, Content, ModelKind, recognise
from modules.library.model_facts import ModelFacts, header_facts, read_facts
from modules.library.safetensors_header import read_header
from modules.loading.mapped import StoredTensor
from modules.loading.weights_file import open_weights

SAFETENSORS, PICKLE, FOLDER = "safetensors", "pickle of PyTorch", "diffusers folder"

_TEXT_ENCODER = re.compile(r"^(?:(?:lora|lycoris|oft)_te|text_encoder)")


def inspect_file(path: Path) -> FileReport:
    """Return what the file or diffusers folder at `path` is.

    A pickle that refers to more than data is told by what its first bytes look like; nothing of it is run.

    Raises:
        ModelFileError: it is missing, damaged or no model.
    """
    if path.is_dir():
        return _folder(path)
    try:
        tensors = open_weights(path)
    except UnsafeFileError as error:
        facts = read_facts(path).facts
        return FileReport(path=path, size=path.stat().st_size, container=PICKLE, refused=str(error), facts=facts)
    header = read_header(path)
    facts = header_facts(header) if header else _facts(tensors)
    is_lora = facts.content.kind is ModelKind.LORA
    ranks = _ranks(tensors) if is_lora else {}
    return FileReport(
        path=path,
        size=path.stat().st_size,
        container=SAFETENSORS if header else PICKLE,
        facts=facts,
        numbers=_numbers(tensors),
        ranks=dict(Counter(ranks.values()).most_common()),
        modules=dict(Counter(map(_part, ranks)).most_common()),
        texts=header.texts if header else {},
    )


def _folder(path: Path) -> FileReport:
    facts = read_facts(path).facts
    files = weight_files(path)
    if not files or facts.content.kind is ModelKind.UNKNOWN:
        raise ModelFileError(f"“{path.name}” is a folder without a model in it. Name a file.")
    return FileReport(
        path=path, size=sum((path / name).stat().st_size for name in files), container=FOLDER, facts=facts
    )


def _facts(tensors: Mapping[str, StoredTensor]) -> ModelFacts:
    content: Content = recognise(tensors, lambda name: tensors[name].shape)
    return ModelFacts(content=content, family=content.family)


def _numbers(tensors: Mapping[str, StoredTensor]) -> dict[str, Numbers]:
    counts, sizes = Counter[str](), Counter[str]()
    for tensor in tensors.values():
        name = str(tensor.dtype).removeprefix("torch.")
        counts[name] += 1
        sizes[name] += tensor.nbytes
    return {name: Numbers(tensors=counts[name], size=size) for name, size in sizes.most_common()}


def _ranks(tensors: Mapping[str, StoredTensor]) -> dict[str, int]:
    """The rank of each module of an adapter that has one."""
    found: dict[str, int] = {}
    for name, tensor in tensors.items():
        end = next((end for end in RANKED if name.endswith(end)), None)
        if end is not None and len(tensor.shape) > 1:
            found.setdefault(name.removesuffix(end), tensor.shape[0])
    return found


def _part(module: str) -> str:
    return "text encoders" if _TEXT_ENCODER.match(module) else "network"
