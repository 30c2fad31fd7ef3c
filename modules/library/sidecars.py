"""The files beside a model that say something about it: what its user wrote, what civitai says, its preview.

What users write is kept where A1111 keeps it and as A1111 writes it (`name.json`), so that both programs share it.
Source: the files that A1111 1.10 and its extension "Civitai Helper" (`name.civitai.info`) write.
"""

import html
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from modules.core.errors import OutputError
from modules.library.small_json import read_small_json, text_of, texts_of
from modules.storage.json_file import BrokenJsonFile, read_json_object, write_json_object, write_whole

MAX_TEXT = 20_000  # characters
MAX_WORDS, MAX_WORD = 100, 500

PREVIEW_ENDINGS = tuple(
    f"{middle}.{ending}" for ending in ("png", "jpg", "jpeg", "webp") for middle in ("", ".preview")
)
"""In A1111's order: `name.png`, `name.preview.png`, `name.jpg` …"""

USER, CIVITAI, TEXT = ".json", ".civitai.info", ".txt"
_TAGS = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserNotes:
    """What the user wrote about a model. The names in the file are A1111's.

    Attributes:
        description: shown on its card.
        sd_version: family it is for, "SD1", "SD2", "SDXL", "Unknown" or "".
        activation_text: words that are put into the prompt with it.
        preferred_weight: its weight in the prompt; 0 for the one in the settings.
        negative_text: words that are put into the negative prompt with it.
        notes: anything else.
        vae: name of the VAE that is used with a checkpoint, "Automatic", "None" or "".
    """

    description: str = field(default="", metadata={"key": "description"})
    sd_version: str = field(default="", metadata={"key": "sd version"})
    activation_text: str = field(default="", metadata={"key": "activation text"})
    preferred_weight: float = field(default=0.0, metadata={"key": "preferred weight"})
    negative_text: str = field(default="", metadata={"key": "negative text"})
    notes: str = field(default="", metadata={"key": "notes"})
    vae: str = field(default="", metadata={"key": "vae"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecars:
    """What the files beside a model say.

    Attributes:
        notes: what its user wrote.
        description: of others: the `.txt` that A1111 used at first, or civitai's.
        title: of civitai.
        base_model: as civitai names it ("SD 1.5", "Pony").
        trigger_words: civitai's.
        tags: civitai's.
    """

    notes: UserNotes = UserNotes()
    description: str = ""
    title: str = ""
    base_model: str = ""
    trigger_words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


_JSON = TypeAdapter(Sidecars)


def sidecars_as_json(sidecars: Sidecars) -> str:
    """Return `sidecars` as text."""
    return _JSON.dump_json(sidecars, exclude_defaults=True).decode()


def sidecars_of_json(text: str) -> Sidecars:
    """Return what `sidecars_as_json` made `text` of; any other text says nothing."""
    try:
        return _JSON.validate_json(text)
    except ValidationError:
        return Sidecars()


def sidecar_names(stem: str) -> tuple[str, ...]:
    """Return the names of the files beside the model called `stem` that may say something about it."""
    return stem + USER, stem + CIVITAI, stem + TEXT


def find_preview(stem: str, names: Collection[str], model: str = "") -> str | None:
    """Return the name of the picture that shows a model.

    Args:
        stem: the name of the model's file without its ending.
        names: of the files in its folder.
        model: the name of its file, which may be a picture itself (an embedding) and then shows itself if nothing else
            does.
    """
    pictures = [stem + ending for ending in PREVIEW_ENDINGS if stem + ending in names]
    return next((name for name in pictures if name != model), pictures[0] if pictures else None)


def read_sidecars(folder: Path, stem: str) -> Sidecars:
    """Read the files beside the model called `stem`; what is missing or damaged says nothing."""
    own = read_small_json(folder / (stem + USER))
    others = [own, read_small_json(folder / (stem + CIVITAI))]
    versions = [version for other in others for version in _civitai_versions(other, stem)]
    words: list[JsonValue] = [word for version in versions for word in _list(version.get("trainedWords"))]
    tags: list[JsonValue] = [tag for other in others for tag in _list(other.get("tags"))]
    names = [text_of(_object(version.get("model")).get("name"), MAX_WORD) for version in versions]
    bases = [text_of(version.get("baseModel"), MAX_WORD) for version in versions]
    described = [*versions, *(_object(version.get("model")) for version in versions)]
    descriptions = [_read_text(folder / (stem + TEXT)), *(_plain(each.get("description")) for each in described)]
    return Sidecars(
        notes=_notes(own),
        description=next(filter(None, descriptions), ""),
        title=next(filter(None, names), ""),
        base_model=next(filter(None, bases), ""),
        trigger_words=texts_of(words, limit=MAX_WORD, count=MAX_WORDS),
        tags=texts_of(tags, limit=MAX_WORD, count=MAX_WORDS),
    )


def save_notes(folder: Path, stem: str, notes: UserNotes) -> None:
    """Write `notes` beside the model called `stem`; what else its file holds is kept.

    Raises:
        OutputError: the file cannot be written, or what it holds now is damaged.
    """
    path = folder / (stem + USER)
    try:
        content = read_json_object(path)
    except FileNotFoundError:
        content = {}
    except (OSError, BrokenJsonFile) as error:
        raise OutputError(f"{path} is damaged ({error}). Repair it or move it away, then save again.") from error
    before = _notes(content)
    for entry in fields(UserNotes):
        value = getattr(notes, entry.name)
        if value != getattr(before, entry.name):
            content[entry.metadata["key"]] = value
    write_json_object(path, content)


def save_preview(folder: Path, stem: str, png: bytes, model: str = "") -> None:
    """Write the picture that shows the model called `stem`: as `stem.png`, which wins over all others.

    Args:
        folder: where the model lies.
        stem: the name of its file without its ending.
        png: the picture.
        model: the name of its file. If that is `stem.png` (an embedding), `stem.preview.png` is written.

    Raises:
        OutputError: it cannot be written.
    """
    own = model.casefold() == (stem + PREVIEW_ENDINGS[0]).casefold()
    write_whole(folder / (stem + PREVIEW_ENDINGS[1 if own else 0]), png)


def _notes(content: Mapping[str, JsonValue]) -> UserNotes:
    weight = content.get("preferred weight")
    return UserNotes(
        **{
            entry.name: text_of(content.get(entry.metadata["key"]), MAX_TEXT)
            for entry in fields(UserNotes)
            if entry.name != "preferred_weight"
        },
        preferred_weight=float(weight) if isinstance(weight, int | float) and -100 <= weight <= 100 else 0.0,
    )


def _civitai_versions(content: Mapping[str, JsonValue], stem: str) -> Iterator[Mapping[str, JsonValue]]:
    """Yield what civitai says: about one version, or, as some programs keep it, about a model with its versions."""
    if "trainedWords" in content or "baseModel" in content:
        yield content
    versions = [_object(version) for version in _list(content.get("modelVersions"))]
    model: JsonValue = {key: value for key, value in content.items() if key in ("name", "description")}
    for version in versions:
        files = [text_of(_object(file).get("name"), MAX_WORD) for file in _list(version.get("files"))]
        if len(versions) == 1 or any(Path(name).stem == stem for name in files):
            yield {"model": model, **version}


def _plain(value: JsonValue | None) -> str:
    """Civitai's descriptions are HTML; they are kept as text."""
    return " ".join(html.unescape(_TAGS.sub(" ", text_of(value, MAX_TEXT))).split())


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_TEXT).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _object(value: JsonValue | None) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue | None) -> list[JsonValue]:
    return value if isinstance(value, list) else []
