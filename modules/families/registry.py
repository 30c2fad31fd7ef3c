"""The families there are, and those that are known by sight but cannot be used yet."""

from collections.abc import Callable

from modules.core.errors import ModelFileError
from modules.families.base import ModelFamily, ModelTraits
from modules.families.sd1 import StableDiffusion1

FAMILIES: tuple[ModelFamily, ...] = (StableDiffusion1(),)

# A family that gets its file moves from here to FAMILIES.
_NOT_YET: tuple[tuple[str, Callable[[ModelTraits], bool]], ...] = (
    ("an SD 3 or Flux model", lambda traits: not traits.unet),
    ("an SDXL model", lambda traits: traits.text_encoders == frozenset({"clip", "openclip"})),
    ("an inpainting model", lambda traits: traits.in_channels == 9),
    ("an InstructPix2Pix model", lambda traits: traits.in_channels == 8),
    ("an SD 2.x model", lambda traits: traits.text_encoders == frozenset({"openclip"})),
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
