"""The families there are, and those that are known by sight but cannot be used yet."""

from collections.abc import Callable

from modules.core.errors import ModelFileError
from modules.families.base import EXTRA_CHANNELS, ModelFamily, ModelTraits
from modules.families.sd1 import StableDiffusion1
from modules.families.sd2 import StableDiffusion2
from modules.families.sdxl import StableDiffusionXL, StableDiffusionXLRefiner

FAMILIES: tuple[ModelFamily, ...] = (
    StableDiffusion1(),
    StableDiffusion2(),
    StableDiffusionXL(),
    StableDiffusionXLRefiner(),
)

# A family that gets its file moves from here to FAMILIES.
_NOT_YET: tuple[tuple[str, Callable[[ModelTraits], bool]], ...] = (
    ("an SD 3 or Flux model", lambda traits: not traits.unet),
    ("an unCLIP model, which is told by pictures", lambda traits: traits.vector == "picture"),
    ("a depth-to-image model", lambda traits: traits.in_channels == 5),
    ("an upscaling model", lambda traits: traits.in_channels == 7),
    ("a model with a network of another kind", lambda traits: traits.in_channels not in EXTRA_CHANNELS),
)


def find_family(traits: ModelTraits, *, source: str) -> ModelFamily:
    """Return the family of a checkpoint.

    Args:
        traits: what its table of contents says.
        source: the file's name, for messages.

    Raises:
        ModelFileError: it belongs to no family that is supported.
    """
    for family in FAMILIES:
        if family.recognises(traits):
            return family
    kind = next((kind for kind, recognises in _NOT_YET if recognises(traits)), "a model of an unknown kind")
    supported = ", ".join(family.name for family in FAMILIES)
    raise ModelFileError(f"“{source}” is {kind}, which is not supported yet. Supported are: {supported}.")
