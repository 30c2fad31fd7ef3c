"""An open file of adapters: its tensors sorted by what their names say. Few of their numbers are read yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from modules.adapters.kinds.base import Parts, Shape
from modules.adapters.module_changes import MARKS
from modules.adapters.peft_config import PeftConfig, read_peft_config
from modules.adapters.tensor_names import BUNDLE, FACTORS, parse_name
from modules.core.errors import ModelFileError
from modules.library.safetensors_header import read_header
from modules.loading.mapped import StoredTensor
from modules.loading.weights_file import open_weights


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdapterContent:
    """What is in a file.

    Attributes:
        file: its name.
        stored: where its tensors lie.
        metadata: the texts in its header.
        peft: what PEFT says of it.
        modules: names of tensors by module and part.
        embeddings: names of tensors by bundled embedding and vector.
        strange: names that no adapter has.
    """

    file: str
    stored: Mapping[str, StoredTensor]
    metadata: Mapping[str, str]
    peft: PeftConfig
    modules: Mapping[str, Mapping[str, str]]
    embeddings: Mapping[str, Mapping[str, str]]
    strange: tuple[str, ...]

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shapes of all tensors."""
        return {name: stored.shape for name, stored in self.stored.items()}

    def tensor(self, name: str) -> Tensor:
        """Return a tensor, looked at in place.

        Raises:
            ModelFileError: it is empty, or not all of its numbers are finite.
        """
        tensor = self.stored[name].open()
        if tensor.numel() == 0:
            raise ModelFileError(f"“{self.file}” is damaged: its tensor {name} is empty.")
        if tensor.data_ptr() % tensor.element_size():
            tensor = tensor.clone()  # numbers at odd addresses are not for every kernel
        if tensor.is_floating_point() and not _finite(tensor):
            raise ModelFileError(f"“{self.file}” is damaged: its tensor {name} holds numbers that are not finite.")
        return tensor

    def parts(self, module: str) -> Parts:
        """Return what there is for one module.

        Raises:
            ModelFileError: see `tensor`; or a factor is more than a number.
        """
        names = self.modules[module]
        alpha, scale, multiplier = (self._number(names.get(factor)) for factor in FACTORS)
        if alpha is None and scale is None:
            scale = self.peft.scale(module)
        return Parts(
            tensors={part: self.tensor(name) for part, name in names.items() if part not in FACTORS},
            alpha=alpha,
            scale=scale,
            multiplier=1.0 if multiplier is None else multiplier,
            neumann_terms=self.peft.neumann_terms(module),
        )

    def _number(self, name: str | None) -> float | None:
        if name is None:
            return None
        tensor = self.tensor(name)
        if tensor.numel() != 1:
            raise ModelFileError(f"“{self.file}” is damaged: its tensor {name} has the shape {list(tensor.shape)}.")
        return float(tensor.item())


def open_adapter(path: Path) -> AdapterContent:
    """Open the file at `path`.

    Raises:
        UnsafeFileError: a pickle that refers to more than data; nothing of it was run.
        ModelFileError: the file is missing, damaged, or of another kind.
    """
    stored = open_weights(path)
    header = read_header(path)
    metadata = header.texts if header else dict[str, str]()
    modules: dict[str, dict[str, str]] = {}
    embeddings: dict[str, dict[str, str]] = {}
    strange: list[str] = []
    for name in stored:
        if name.startswith(BUNDLE):
            embedding, _, vector = name.removeprefix(BUNDLE).partition(".")
            embeddings.setdefault(embedding, {})[vector] = name
        elif (part := parse_name(name)) is not None:
            modules.setdefault(part.module, {})[part.part] = name
        else:
            strange.append(name)
    adapters = {module: names for module, names in modules.items() if not MARKS.isdisjoint(names)}
    strange.extend(name for module, names in modules.items() if module not in adapters for name in names.values())
    return AdapterContent(
        file=path.name,
        stored=stored,
        metadata=metadata,
        peft=read_peft_config(path, metadata),
        modules=adapters,
        embeddings=embeddings,
        strange=tuple(strange),
    )


def _finite(tensor: Tensor) -> bool:
    """Whether all numbers are finite. Their sum tells it faster than a look at each, unless it overflows."""
    numbers = tensor if tensor.element_size() > 1 else tensor.float()
    return bool(numbers.sum(dtype=torch.float32).isfinite()) or bool(numbers.isfinite().all())
