"""One model file with all that is known of it."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from modules.library.family_names import family_of_text
from modules.library.kinds import ModelKind
from modules.library.model_facts import ModelFacts, facts_of_json
from modules.library.sidecars import Sidecars, sidecars_of_json


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """What is known of a model without reading its weights. No slots: what is rarely asked for is made when it is.

    Attributes:
        path: absolute path of the file, or of a checkpoint's diffusers folder.
        name: what people call it, different from that of all others in the same folders.
        relative: path relative to the folder that was searched, with forward slashes.
        place: the kind of models that its folder is for; `facts.content.kind` is what it is.
        size: bytes; those of the `model_index.json` for a diffusers folder.
        modified: time of its last change, ns since the epoch.
        created: time of its creation where the system knows it, likewise.
        preview: the picture that shows what it does.
        own_name: what its trainer called it (`ss_output_name`), "" if it does not say.
        search_text: what a search looks through, folded.
        facts_json: JSON of `facts`.
        sidecars_json: JSON of `sidecars`.
    """

    path: Path
    name: str
    relative: str
    place: ModelKind
    size: int
    modified: int
    created: int
    preview: Path | None
    own_name: str
    search_text: str = field(repr=False)
    facts_json: str = field(repr=False)
    sidecars_json: str = field(repr=False)

    @cached_property
    def facts(self) -> ModelFacts:
        """What it says about itself."""
        return facts_of_json(self.facts_json)

    @cached_property
    def sidecars(self) -> Sidecars:
        """What the files beside it say, above all what its user wrote."""
        return sidecars_of_json(self.sidecars_json)

    @property
    def alias(self) -> str:
        """What its trainer called it, or its name."""
        return self.own_name or self.name

    @property
    def folder(self) -> str:
        """Its folder relative to the one that was searched, "" for that one."""
        return self.relative.rpartition("/")[0]

    @property
    def title(self) -> str:
        """What its maker calls it; "" when nobody says."""
        return self.sidecars.title or self.facts.specification.get("title", "")

    @property
    def description(self) -> str:
        """What it is, in its user's or its maker's words."""
        own = self.sidecars.notes.description or self.sidecars.description
        return own or self.facts.specification.get("description", "")

    @property
    def family(self) -> str:
        """The family of models that it is or belongs to: as its user says, as it is, or as civitai says."""
        own = family_of_text(self.sidecars.notes.sd_version)
        return own or self.facts.family or family_of_text(self.sidecars.base_model)

    @property
    def base_model(self) -> str:
        """What it was trained from, in the words of its trainer or of civitai."""
        return self.facts.base_model or self.sidecars.base_model

    @property
    def trigger_words(self) -> tuple[str, ...]:
        """What calls it up in a prompt, as civitai and its trainer say; its user's words are `activation_text`."""
        return tuple(dict.fromkeys((*self.sidecars.trigger_words, *self.facts.trigger_words)))
