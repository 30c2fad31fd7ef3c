"""What is said of models on their cards."""

from typing import Literal

from pydantic import BaseModel, Field

from modules.core.errors import UnknownName
from modules.core.settings import Settings
from modules.frontends.http_api.json_safe import clean_text
from modules.library.card_text import card_text
from modules.library.kinds import ModelKind
from modules.library.model_entry import ModelEntry
from modules.library.model_library import ModelLibrary
from modules.library.sidecars import MAX_TEXT, UserNotes

CardKind = Literal["checkpoint", "lora", "embedding", "hypernetwork"]
MAX_DESCRIPTION = 300  # characters of it on a card; its details have all


class Card(BaseModel):
    """What a card shows and does."""

    name: str = Field(description="by which the other routes know it")
    label: str = Field(description="what people call it")
    folder: str
    family: str
    description: str
    preview: str = Field(description="changes with the picture; empty when there is none")
    prompt: str = Field(description="what a click puts into the prompt; empty for checkpoints")
    negative_prompt: str
    identity: str = Field(
        description="by which the model is found in a prompt, whatever its weight there; a checkpoint's title"
    )
    warning: str = Field(description="what it is and where it belongs if it lies in a wrong folder")


class CardsAnswer(BaseModel):
    """A part of the cards that were asked for."""

    total: int = Field(description="how many there are in all")
    separator: str = Field(description="what stands between a prompt and what a card adds to it")
    cards: list[Card]
    folders: list[str] = Field(description="all folders with models of the kind; with the first cards only")
    misplaced: list[str] = Field(description="a sentence for each file in a wrong folder, the first few; likewise")
    reading: tuple[int, int] | None = Field(
        description="how many of how many files have been read while they are read for the first time; no cards then"
    )


class Notes(BaseModel):
    """What a person writes about a model; kept beside its file in A1111's format."""

    description: str = Field(default="", max_length=MAX_TEXT)
    sd_version: str = Field(default="", max_length=500, description="SD1, SD2, SDXL, Unknown, or empty")
    activation_text: str = Field(default="", max_length=MAX_TEXT)
    preferred_weight: float = Field(default=0.0, ge=-100, le=100, description="0 for the one in the settings")
    negative_text: str = Field(default="", max_length=MAX_TEXT)
    notes: str = Field(default="", max_length=MAX_TEXT)
    vae: str = Field(default="", max_length=500, description="of a checkpoint: a VAE's name, Automatic, None, or empty")


class KnownNotes(BaseModel):
    """Notes as they are beside a model, whoever wrote them."""

    description: str
    sd_version: str
    activation_text: str
    preferred_weight: float
    negative_text: str
    notes: str
    vae: str


class CardDetails(BaseModel):
    """All that is known of a model without reading its weights."""

    name: str
    file: str = Field(description="relative to the folder that was searched")
    title: str
    kind: str
    algorithm: str
    rank: int | None
    family: str
    base_model: str
    resolution: str
    size: int = Field(description="bytes")
    modified: float = Field(description="seconds since the epoch")
    sha256: str = Field(description="empty while it is not known")
    short_hash: str = Field(description="as infotexts name it; empty while it is not known")
    description: str
    trigger_words: list[str]
    tags: list[tuple[str, int]] = Field(description="of its training pictures, with how often they were given")
    specification: dict[str, str]
    notes: KnownNotes
    warning: str


def card(library: ModelLibrary, entry: ModelEntry, settings: Settings) -> Card:
    """Return the card of `entry`."""
    called = library.name_in_prompts(entry, settings)
    text = card_text(entry, called, settings)
    return Card(
        name=_sayable(entry.name),
        label=_sayable(entry.title or entry.path.stem),
        folder=_sayable(entry.folder),
        family=entry.family,
        description=_sayable(entry.description[:MAX_DESCRIPTION]),
        preview=_preview_version(entry),
        prompt=_sayable(text.prompt),
        negative_prompt=_sayable(text.negative_prompt),
        identity=_sayable(text.identity or _title(library, entry)),
        warning=_sayable(library.misplacement(entry) or ""),
    )


def details(library: ModelLibrary, entry: ModelEntry) -> CardDetails:
    """Return all that is known of `entry`."""
    facts, hashes, notes = entry.facts, library.known_hashes(entry), entry.sidecars.notes
    return CardDetails(
        name=_sayable(entry.name),
        file=_sayable(entry.relative),
        title=_sayable(entry.title),
        kind=facts.content.kind.value,
        algorithm=facts.content.algorithm,
        rank=facts.content.rank,
        family=entry.family,
        base_model=_sayable(entry.base_model),
        resolution=_sayable(facts.resolution),
        size=entry.size,
        modified=entry.modified / 1e9,
        sha256=hashes.sha256,
        short_hash=hashes.network if entry.place is ModelKind.LORA else hashes.autov2,
        description=_sayable(entry.description),
        trigger_words=[_sayable(word) for word in entry.trigger_words],
        tags=[(_sayable(tag), count) for tag, count in facts.tags],
        specification={_sayable(key): _sayable(value) for key, value in facts.specification.items()},
        notes=KnownNotes(
            description=_sayable(notes.description),
            sd_version=_sayable(notes.sd_version),
            activation_text=_sayable(notes.activation_text),
            preferred_weight=notes.preferred_weight,
            negative_text=_sayable(notes.negative_text),
            notes=_sayable(notes.notes),
            vae=_sayable(notes.vae),
        ),
        warning=_sayable(library.misplacement(entry) or ""),
    )


def user_notes(notes: Notes) -> UserNotes:
    """Return `notes` as the library takes them."""
    return UserNotes(**notes.model_dump())


def _title(library: ModelLibrary, entry: ModelEntry) -> str:
    """Return what a checkpoint is called where it is chosen."""
    try:
        return library.checkpoints.find(str(entry.path)).title
    except UnknownName:  # gone since it was listed
        return ""


def _preview_version(entry: ModelEntry) -> str:
    if entry.preview is None:
        return ""
    try:
        return format(entry.preview.stat().st_mtime_ns, "x")
    except OSError:  # gone since it was listed
        return ""


def _sayable(text: str) -> str:
    """Return a text that UTF-8 can say: names of files and texts in them may hold halves of surrogate pairs."""
    return clean_text(text, len(text))
