"""Language packs: files that say the page's English texts in another language.

They are A1111's: one JSON object from English texts to translations, with `"rtl": true` in it for a language that is
written from right to left. In texts of ours, `{n}` stands for a number and `{}` for anything.
"""

import logging
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from modules.core.paths import CONFIGS, Paths
from modules.storage.json_file import BrokenJsonFile, read_json_object

AUTOMATIC = "Automatic"
ENGLISH = "None"
RIGHT_TO_LEFT = "rtl"
FOLDER = "localizations"
MAX_BYTES = 5_000_000
MAX_WISHES = 1000
"""How much of a browser's list of languages is read, characters."""

Pack = dict[str, str | bool]

log = logging.getLogger(__name__)

_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*", re.IGNORECASE)
_WISH = re.compile(r"\s*([a-z]{2,3}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?", re.IGNORECASE)


def find_packs(paths: Paths) -> dict[str, tuple[Path, ...]]:
    """Return the files of each pack by its name; what a later file says goes before what an earlier one does."""
    found: dict[str, tuple[Path, ...]] = {}
    for folder in (CONFIGS / FOLDER, paths.data / FOLDER):
        try:
            files = sorted(path for path in folder.glob("*.json") if path.is_file())
        except OSError as error:
            log.warning("Cannot look into %s: %s. Its language packs are left out.", folder, error.strerror)
            continue
        for path in files:
            found[path.stem] = (*found.get(path.stem, ()), path)
    return found


def choose_pack(setting: str, wishes: str, names: Collection[str]) -> str | None:
    """Return the name of the pack that the page is shown in; None for English.

    Args:
        setting: a pack's name, `AUTOMATIC` or `ENGLISH`.
        wishes: the browser's Accept-Language header, which counts for `AUTOMATIC`.
        names: of the packs that there are.
    """
    if setting != AUTOMATIC:
        return setting if setting in names else None
    known = {tag.casefold(): name for name in sorted(names, reverse=True) if (tag := language_tag(name))}
    for wish in _wished(wishes):
        if wish == "en" or wish.startswith("en-"):
            return None
        if found := _lookup(wish, known):
            return found
    return None


def language_tag(name: str) -> str | None:
    """Return the language (BCP 47) of the pack `name`: zh-CN for zh_CN; None if its name tells none."""
    tag = name.replace("_", "-")
    return tag if _TAG.fullmatch(tag) else None


def read_pack(files: Iterable[Path]) -> Pack:
    """Return what the `files` of a pack say together; one that cannot be read is left out, which the log says."""
    pack: Pack = {}
    for path in files:
        try:
            pack |= _read(path)
        except (OSError, BrokenJsonFile) as error:
            log.warning("The language pack %s is left out: %s. Repair or remove it.", path, error)
    return pack


def _read(path: Path) -> Pack:
    if path.stat().st_size > MAX_BYTES:
        raise BrokenJsonFile(f"it has more than {MAX_BYTES:,} bytes")
    content = read_json_object(path)
    pack: Pack = {text: said for text, said in content.items() if isinstance(said, str) and said}
    if content.get(RIGHT_TO_LEFT) is True:
        pack[RIGHT_TO_LEFT] = True
    return pack


def _wished(header: str) -> list[str]:
    """Return the languages of an Accept-Language header, the most wanted first; what is malformed is passed over."""
    wishes = [found for part in header[:MAX_WISHES].split(",") if (found := _WISH.fullmatch(part))]
    weighed = [(float(wish[2] or 1), wish[1].casefold()) for wish in wishes]
    # Languages of equal weight keep their order.
    return [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight > 0]


def _lookup(wish: str, known: dict[str, str]) -> str | None:
    """Return the pack for a language, or for the same one of another region (RFC 4647, section 3.4)."""
    if wish in known:
        return known[wish]
    language = wish.split("-", 1)[0]
    return next((name for tag, name in known.items() if tag.split("-", 1)[0] == language), None)
