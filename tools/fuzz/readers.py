"""Every way in which the program reads a file of weights that somebody gives it, as far as the file decides."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from modules.adapters.adapter_file import read_adapter
from modules.adapters.embedding_files import read_embedding
from modules.adapters.embedding_pictures import read_embedding_picture
from modules.adapters.hypernetwork_file import read_hypernetwork
from modules.adapters.keys import ModelIndex, index_components
from modules.core.errors import EaselError
from modules.families.architecture import TransformerDepths, UNetArchitecture
from modules.families.unet import build_unet
from modules.library.model_facts import facts_as_json, facts_of_json, read_facts
from modules.loading.weights_file import open_content

CODE_READERS = ("weights", "embedding", "hypernetwork", "adapter")
"""Those that read pickles and thus name code that one asks for."""

_UNET = UNetArchitecture(
    model_channels=32,
    channel_mult=(1, 2),
    depths=TransformerDepths.regular((1, 0), middle=1, num_res_blocks=1),
    heads=(2, 2),
    context_dim=24,
)


@cache
def model_index() -> ModelIndex:
    """Return the index of a model so small that adapters for it have few numbers."""
    return index_components({"unet": build_unet(_UNET)}, family="SD 1.x")


def read_weights(path: Path) -> None:
    """Open a file as checkpoints, VAEs and upscalers are opened, and look at each of its tensors."""
    content = open_content(path)
    for stored in content.tensors.values():
        tensor = stored.open()
        if tuple(tensor.shape) != stored.shape or tensor.dtype != stored.dtype:
            raise AssertionError("a tensor is another one than was said")


def read_library(path: Path) -> None:
    """Read what the library shows of a file, and what it keeps of that."""
    facts = read_facts(path).facts
    if facts_of_json(facts_as_json(facts)) != facts:
        raise AssertionError("what was read of the file does not come back from the index")


READERS: Mapping[str, Callable[[Path], object]] = {
    "weights": read_weights,
    "embedding": read_embedding,
    "picture": read_embedding_picture,
    "hypernetwork": read_hypernetwork,
    "adapter": lambda path: read_adapter(path, model_index()),
    "library": read_library,
}
"""By name. Each returns or raises an `EaselError`, whatever is in the file."""


def refusal(read: Callable[[Path], object], path: Path) -> EaselError | None:
    """Return the error for people that `read` ends with, None if it ends without one."""
    try:
        read(path)
    except EaselError as error:
        return error
    return None
