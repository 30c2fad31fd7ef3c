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
        text: the text encoder.
    """

    family: ModelFamily
    architecture: ModelArchitecture
    unet: ComponentSource
    vae: ComponentSource
    text: ComponentSource


def _same_but_for_kernel(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether both shapes are the same, or one is that of a linear layer and the other of the same 1×1 convolution."""
    shorter, longer = sorted((shape, wanted), key=len)
    return longer == shorter or (len(shorter) == 2 and longer == (*shorter, 1, 1))
