"""What a search looks through."""

import unicodedata

from modules.library.model_facts import ModelFacts
from modules.library.sidecars import Sidecars

_SEPARATORS = str.maketrans("_", " ")


def fold(text: str) -> str:
    """Return `text` as it is compared: without regard to case, width of letters, and underscores for blanks."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_SEPARATORS)


def search_text(facts: ModelFacts, sidecars: Sidecars) -> str:
    """Return all that is said of a model, folded."""
    notes, specification = sidecars.notes, facts.specification
    texts = (
        facts.alias,
        facts.family,
        facts.base_model,
        *(specification.get(name, "") for name in ("title", "description", "author")),
        *facts.trigger_words,
        *(tag for tag, _ in facts.tags),
        sidecars.title,
        sidecars.description,
        sidecars.base_model,
        *sidecars.trigger_words,
        *sidecars.tags,
        notes.description,
        notes.activation_text,
        notes.negative_text,
        notes.notes,
    )
    return fold("\n".join(filter(None, texts)))
