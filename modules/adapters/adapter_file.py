"""Reads files of weight adapters: LoRA and its relatives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from modules.adapters.adapter_content import AdapterContent, open_adapter
from modules.adapters.keys import ModelIndex, ModuleMatch, Target
from modules.adapters.kinds.base import Change
from modules.adapters.module_changes import Misfit, ModuleChanges, read_module
from modules.adapters.origin import likely_family, stated_family
from modules.core.errors import ModelFileError
from modules.library.kinds import ModelKind
from modules.loading.other_kinds import other_kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapter:
    """An adapter in memory, matched to a model.

    Attributes:
        file: name of its file.
        changes: by the parameter they change, in the order in which they are applied.
        embeddings: bundled ones by name, each as tensors by the names that files of embeddings have
            ("string_to_param.*", "clip_l", "clip_g").
        unmatched: names of tensors that mean nothing for this model, in the order of the file.
        metadata: the texts in the file's header (`ss_*`, `modelspec.*`).
    """

    file: str
    changes: Mapping[Target, tuple[Change, ...]]
    embeddings: Mapping[str, Mapping[str, Tensor]]
    unmatched: tuple[str, ...]
    metadata: Mapping[str, str]


def read_adapter(path: Path, index: ModelIndex) -> Adapter:
    """Read the file at `path`; its tensors are looked at in place.

    Args:
        path: a `.safetensors`, `.pt`, `.ckpt` or `.bin` file.
        index: of the model that is to be changed.

    Raises:
        UnsafeFileError: a pickle that refers to more than data; nothing of it was run.
        ModelFileError: the file is missing, damaged, of another kind, or made for another family or other sizes.
    """
    content = open_adapter(path)
    if not content.modules and not content.embeddings:
        raise _no_adapter(content)
    matches = {module: found for module in content.modules if (found := index.find(module))}
    _check_family(content, index, matched=len(matches))
    changes: dict[Target, tuple[Change, ...]] = {}
    unmatched = set(content.strange)
    for module, names in content.modules.items():
        found = matches.get(module)
        if found is None:
            unmatched |= set(names.values())
            continue
        read = _fit(content, module, found, index)
        for target, some in read.changes.items():
            changes[target] = (*changes.get(target, ()), *some)
        unmatched |= {names[part] for part in read.unused}
    return Adapter(
        file=content.file,
        changes=changes,
        embeddings={
            name: {vector: content.tensor(tensor) for vector, tensor in vectors.items()}
            for name, vectors in content.embeddings.items()
        },
        unmatched=tuple(name for name in content.stored if name in unmatched),
        metadata=content.metadata,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fitted:
    """What a file does to the modules of a model that one of its names means.

    Attributes:
        changes: by parameter.
        unused: parts that mean nothing for them.
    """

    changes: Mapping[Target, tuple[Change, ...]]
    unused: tuple[str, ...]


def _fit(content: AdapterContent, module: str, matches: Sequence[ModuleMatch], index: ModelIndex) -> _Fitted:
    """Read what the file holds for one of its modules, and fit it to those that are meant.

    Raises:
        ModelFileError: it is damaged, or was made for other sizes.
    """
    try:
        read = read_module(content.parts(module))
        changes = dict(_changes(read, matches, index))
    except Misfit as misfit:
        likely = likely_family(content.shapes)
        if likely not in {"", index.family}:
            raise _other_family(content, index, likely) from misfit
        raise ModelFileError(f"“{content.file}” does not fit the model: its module {module} {misfit}.") from misfit
    except ValueError as fault:
        raise ModelFileError(f"“{content.file}” is damaged in its module {module}: {fault}.") from fault
    without_bias = read.bias_parts if not any(match.target("bias") in index.shapes for match in matches) else ()
    return _Fitted(changes=changes, unused=(*read.unused, *without_bias))


def _changes(
    read: ModuleChanges, matches: Sequence[ModuleMatch], index: ModelIndex
) -> Iterator[tuple[Target, tuple[Change, ...]]]:
    for match in matches:
        weight, bias = match.target("weight"), match.target("bias")
        if read.weight:
            yield weight, read.for_weight(index.shapes[weight], match.third)
        if read.bias and bias in index.shapes:
            yield bias, read.for_bias(index.shapes[bias], match.third)


def _check_family(content: AdapterContent, index: ModelIndex, *, matched: int) -> None:
    """Refuse an adapter for another family.

    Args:
        content: the file.
        index: of the model.
        matched: how many of the file's modules the model has.

    Raises:
        ModelFileError: the file says that it is for another family, or the model lacks most of its modules.
    """
    stated = stated_family(content.metadata)
    if stated not in {"", index.family}:
        raise _other_family(content, index, stated)
    if 2 * matched < len(content.modules):
        raise _other_family(content, index, likely_family(content.shapes))


def _other_family(content: AdapterContent, index: ModelIndex, family: str) -> ModelFileError:
    made_for = family if family not in {"", index.family} else "a network of another kind"
    return ModelFileError(f"“{content.file}” was made for {made_for}, and the loaded model is {index.family}.")


def _no_adapter(content: AdapterContent) -> ModelFileError:
    fault = "holds no adapter of a kind that is known" if content.stored else "holds no weights at all"
    return other_kind(content.file, content.stored, expected=ModelKind.LORA, fault=fault)
