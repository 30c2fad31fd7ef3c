"""What a model's file says about itself: its tensors' names and shapes, and the texts that trainers write into it.

The texts are those of kohya's sd-scripts (`ss_*`, `sshs_*`) and of the Stability AI model specification
(`modelspec.*`, https://github.com/Stability-AI/ModelSpec).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from modules.library.family_names import CONTEXT_WIDTHS, SD2, family_of_text
from modules.library.kinds import Content, ModelKind, recognise
from modules.library.pickle_head import read_head, recognise_pickle
from modules.library.safetensors_header import SafetensorsHeader, parse_table, read_table
from modules.library.small_json import read_small_json, text_of, texts_of

MAX_TAGS = 24  # all of them are in the file: see `file_metadata`
MAX_WORDS, MAX_WORD = 50, 300  # how many of them, and characters of each
MAX_TEXT = 4000  # characters that are kept of a text

_SPECIFICATION = "modelspec."
_NO_TEXTS = ("thumbnail", "hash_sha256")  # of the specification: a picture, and what we compute ourselves
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What one file says; "" and () for what it does not say.

    Attributes:
        content: what its tensors are.
        family: of the models that it is or belongs to ("SDXL"), by its tensors, else by its texts.
        alias: what its trainer called it (`ss_output_name`).
        base_model: what it was trained from, in its trainer's words.
        resolution: of the pictures it was trained with ("512x512"), likewise.
        trigger_words: what calls it up in a prompt.
        tags: words of its training captions with how often they occur, the most frequent first.
        specification: its `modelspec.*` texts without that prefix.
        claimed_hash: sha256 of its tensors as its trainer wrote it (`sshs_model_hash`), 64 hex digits.
    """

    content: Content = field(default_factory=Content)
    family: str = ""
    alias: str = ""
    base_model: str = ""
    resolution: str = ""
    trigger_words: tuple[str, ...] = ()
    tags: tuple[tuple[str, int], ...] = ()
    specification: Mapping[str, str] = field(default_factory=dict[str, str])
    claimed_hash: str = ""


_JSON = TypeAdapter(ModelFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFacts:
    """What was read of a file.

    Attributes:
        facts: what it says.
        head: sha256 of the bytes that say it, by which the file is known again when it has moved; "" when unknown.
    """

    facts: ModelFacts
    head: str = ""


def read_facts(path: Path) -> ReadFacts:
    """Read what the file or diffusers folder at `path` says; nothing is known of one that cannot be read."""
    if path.is_dir():
        return ReadFacts(facts=_folder_facts(path))
    try:
        table = read_table(path)
        return ReadFacts(facts=header_facts(parse_table(table)), head=hashlib.sha256(table).hexdigest())
    except OSError:
        return ReadFacts(facts=ModelFacts())
    except ValueError:  # no safetensors
        return _pickle_facts(path)


def header_facts(header: SafetensorsHeader) -> ModelFacts:
    """Return what a safetensors header says."""
    texts = header.texts
    content = recognise(header.tensors, header.shape)
    specification = _specification(texts)
    bases = [text_of(texts.get(key), MAX_WORD) for key in ("ss_sd_model_name", "ss_base_model_version")]
    bases.append(specification.get("architecture", ""))
    alias, claimed_hash = text_of(texts.get("ss_output_name"), MAX_WORD), texts.get("sshs_model_hash", "")
    phrases: list[JsonValue] = [*specification.get("trigger_phrase", "").split(",")]
    return ModelFacts(
        content=content,
        family=content.family or _claimed_family(texts, reversed(bases)),
        alias="" if alias == "None" else alias,  # kohya's for none
        base_model=next(filter(None, bases), ""),
        resolution=_resolution(texts),
        trigger_words=texts_of(phrases, limit=MAX_WORD, count=MAX_WORDS),
        tags=_tags(texts.get("ss_tag_frequency", "")),
        specification=specification,
        claimed_hash=claimed_hash if _SHA256.fullmatch(claimed_hash) else "",
    )


def facts_as_json(facts: ModelFacts) -> str:
    """Return `facts` as text."""
    return _JSON.dump_json(facts, exclude_defaults=True).decode()


def facts_of_json(text: str) -> ModelFacts:
    """Return what `facts_as_json` made `text` of; of any other text nothing is known."""
    try:
        return _JSON.validate_json(text)
    except ValidationError:
        return ModelFacts()


def _claimed_family(texts: Mapping[str, str], bases: Iterable[str]) -> str:
    if texts.get("ss_v2") == "True":
        return SD2
    return next((family for family in map(family_of_text, bases) if family), "")


def _pickle_facts(path: Path) -> ReadFacts:
    try:
        head = read_head(path)
    except OSError:
        return ReadFacts(facts=ModelFacts())
    return ReadFacts(facts=ModelFacts(content=recognise_pickle(head)), head=hashlib.sha256(head).hexdigest())


def _folder_facts(path: Path) -> ModelFacts:
    """What a diffusers folder says: the class of its pipeline, and the width of its network's cross-attention."""
    pipeline = read_small_json(path / "model_index.json").get("_class_name")
    width = read_small_json(path / "unet" / "config.json").get("cross_attention_dim")
    known = CONTEXT_WIDTHS.get(width, "") if isinstance(width, int) else ""
    family = known or family_of_text(pipeline if isinstance(pipeline, str) else "")
    return ModelFacts(content=Content(kind=ModelKind.CHECKPOINT, family=family), family=family)


def _specification(texts: Mapping[str, str]) -> dict[str, str]:
    given = {name.removeprefix(_SPECIFICATION): text for name, text in texts.items() if name.startswith(_SPECIFICATION)}
    return {text_of(name, MAX_WORD): text_of(text, MAX_TEXT) for name, text in given.items() if name not in _NO_TEXTS}


def _resolution(texts: Mapping[str, str]) -> str:
    """The specification writes "512x768", kohya "(512, 768)"; both begin with the width."""
    text = text_of(texts.get("modelspec.resolution") or texts.get("ss_resolution"), 20)
    match = re.fullmatch(r"\s*\(?(\d{1,5})\s*[,x]\s*(\d{1,5})\)?\s*", text)
    return f"{match[1]}x{match[2]}" if match else text


def _tags(text: str) -> tuple[tuple[str, int], ...]:
    """Read `ss_tag_frequency`: {"folder of pictures": {"tag": count}}, the folders' counts added up."""
    if not text:
        return ()
    try:
        folders: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    counts: Counter[str] = Counter()
    for tags in folders.values() if isinstance(folders, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if isinstance(count, int) and 0 < count < 2**31:
                counts[tag] += count
    frequent = ((text_of(tag, MAX_WORD), count) for tag, count in counts.most_common(MAX_TAGS))
    return tuple((tag, count) for tag, count in frequent if tag)
