"""The family of models that an adapter was made for."""

from collections.abc import Mapping

from modules.adapters.kinds.base import Shape
from modules.library.family_names import SD2, family_of_text
from modules.library.kinds import recognise

_STATED_IN = ("modelspec.architecture", "ss_base_model_version")


def stated_family(metadata: Mapping[str, str]) -> str:
    """Return the family that a file's header names, "" if it names none that is known."""
    stated = (family_of_text(metadata.get(key, "")) for key in _STATED_IN)
    # kohya said only this before it named the version.
    return next(filter(None, stated), SD2 if metadata.get("ss_v2") == "True" else "")


def likely_family(shapes: Mapping[str, Shape]) -> str:
    """Return the family that the names and shapes of an adapter's tensors point to, "" if they do not tell."""
    return recognise(shapes, lambda name: shapes[name]).family
