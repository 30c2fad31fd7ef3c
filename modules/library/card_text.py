"""What a click on a model's card puts into the prompts."""

from dataclasses import dataclass

from modules.core.settings import Settings
from modules.library.kinds import ModelKind
from modules.library.model_entry import ModelEntry

_TAGS = {ModelKind.LORA: "lora", ModelKind.HYPERNETWORK: "hypernet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardText:
    """Texts of one card.

    Attributes:
        prompt: goes into the prompt; "" for models that are chosen in another way.
        negative_prompt: goes into the negative prompt.
        identity: the beginning of `prompt` that tells whether the model is in a prompt already, whatever its weight
            there: `<lora:name:`, or the whole name of an embedding.
    """

    prompt: str = ""
    negative_prompt: str = ""
    identity: str = ""


def card_text(entry: ModelEntry, name: str, settings: Settings) -> CardText:
    """Return what a click on the card of `entry` inserts; A1111's texts.

    Args:
        entry: the model.
        name: what it is called in a prompt.
        settings: give the weight where its user has not noted one.
    """
    notes, between = entry.sidecars.notes, settings.extra_networks_add_text_separator
    tag = _TAGS.get(entry.place)
    if tag is not None:
        weight = notes.preferred_weight or settings.extra_networks_default_multiplier
        called, identity = f"<{tag}:{name}:{weight:g}>", f"<{tag}:{name}:"
    elif entry.place is ModelKind.EMBEDDING:
        called = identity = name
    else:
        return CardText()
    prompt = between.join(filter(None, (called, notes.activation_text)))
    return CardText(prompt=prompt, negative_prompt=notes.negative_text, identity=identity)
