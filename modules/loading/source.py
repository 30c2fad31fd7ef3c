"""A checkpoint that has been opened: what it is, and where its weights lie. Nothing of them has been read yet."""

from collections.abc import Mapping
from dataclasses import dataclass

from modules.core.errors import ModelFileError
from modules.families.architecture import ModelArchitecture
from modules.families.base import ModelFamily
from modules.loading.convert.names import renamed
from modules.loading.mapped import StoredTensor

NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSource:
    """Where the weights of one network lie.

    Attributes:
        file: name of the file or folder, for messages.
        part: what the network is called, for messages.
        tensors: by their names in the file.
        modules: names of modules in our network → in the file, where they differ.
        ignored: beginnings of names in the file that are not weights of the network.
    """

    file: str
    part: str
    tensors: Mapping[str, StoredTensor]
    modules: Mapping[str, str]
    ignored: tuple[str, ...] = ()

    def select(self, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, StoredTensor]:
        """Return the tensor for each weight of our network.

        Args:
            wanted: shapes by name.

        Raises:
            ModelFileError: weights are missing, left over or of another shape; the first few are named.
        """
        places = {name: renamed(name, self.modules) for name in wanted}
        self._refuse("lacks", [place for place in places.values() if place not in self.tensors])
        used = set(places.values())
        self._refuse(
            "has unknown",
            [name for name in self.tensors if name not in used and not name.startswith(self.ignored)],
        )
        self._refuse(
            "does not fit its configuration in the shape of",
            [
                f"{place} {list(self.tensors[place].shape)} (expected {list(wanted[name])})"
                for name, place in places.items()
                if not _same_but_for_kernel(self.tensors[place].shape, wanted[name])
            ],
        )
        return {name: self.tensors[place] for name, place in places.items()}

    def _refuse(self, fault: str, names: list[str]) -> None:
        if names:
            more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            shown = ", ".join(names[:NAMES_SHOWN])
            raise ModelFileError(f"The {self.part} of “{self.file}” {fault} weights: {shown}{more}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where the parts of a checkpoint lie.

    Attributes:
        family: what kind of model it is.
        architecture: sizes and settings of its networks.
        unet: the denoising network.
        vae: the autoencoder.
        texts: the text encoders, in the family's order.
    """

    family: ModelFamily
    architecture: ModelArchitecture
    unet: ComponentSource
    vae: ComponentSource
    texts: tuple[ComponentSource, ...]


def check_texts(architecture: ModelArchitecture, family: ModelFamily, *, source: str) -> None:
    """Refuse a checkpoint whose text encoders do not say what its network listens to.

    Args:
        architecture: of the whole checkpoint.
        family: what kind of model it is.
        source: the file's name, for messages.

    Raises:
        ModelFileError: the number of text encoders or the widths differ.
    """
    texts, parts = architecture.texts, family.text_parts
    if len(texts) != len(parts):
        raise ModelFileError(
            f"The configuration of “{source}” describes {len(texts)} text encoders, but it is of the kind "
            f"{family.name}, which has {len(parts)}. Correct it or remove it."
        )
    pooled = sum(text.projection_dim or 0 for text, part in zip(texts, parts, strict=True) if part.pooled)
    said = sum(text.hidden_size for text in texts), family.vector_dim(pooled)
    heard = architecture.unet.context_dim, architecture.unet.vector_dim
    if said != heard:
        raise ModelFileError(
            f"The network of “{source}” is told by tokens of {heard[0]} numbers and a vector of {heard[1] or 0}, but "
            f"its text encoders make {said[0]} and {said[1] or 0}. It cannot be used."
        )


def _same_but_for_kernel(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether both shapes are the same, or one is that of a linear layer and the other of the same 1×1 convolution."""
    shorter, longer = sorted((shape, wanted), key=len)
    return longer == shorter or (len(shorter) == 2 and longer == (*shorter, 1, 1))
