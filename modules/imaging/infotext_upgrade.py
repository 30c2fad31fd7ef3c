"""What an infotext means beyond what it says.

A1111 leaves out of an infotext what was the default, and its defaults and algorithms changed over the years.
`upgrade_infotext` spells both out, so that a form filled from the result makes the same picture.
"""

import math
import re
from collections.abc import Collection, Mapping

from modules.imaging.infotext import NEGATIVE_KEY, PROMPT_KEY

FIRST_PASS_PIXELS = 512 * 512

# What A1111 1.10 means by the absence of a key.
DEFAULTS: dict[str, str] = {
    "Clip skip": "1",
    "Hires resize-1": "0",
    "Hires resize-2": "0",
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": "32",
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": "0",
    "Schedule min sigma": "0",
    "Schedule rho": "0",
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
    "Refiner switch by sampling steps": "False",
}
EMPHASIS_KEY, EMPHASIS_DEFAULT = "Emphasis", "Original"  # only where a prompt emphasises something

Version = tuple[int, int, int, int]

_VERSION = re.compile(
    r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-(?:(?P<commits>\d{1,9})\b|(?P<candidate>rc)))?", re.IGNORECASE
)
_EMPHASIS = re.compile(r"(?<!\\)(?:\\\\)*[(\[]")  # an opening bracket without an escape
_FORGE_VERSION = re.compile(r"^f[\d.]+v(?=\d)")  # "f0.0.17v1.8.0rc-latest-276-g29be1da7" is based on A1111 1.8
_MAXIMUM_DIGITS = 9  # a longer number is no size, and Python refuses to read very long ones
_OLD_TIMELINES: Version = (1, 6, 0, 0)
_PADDED_TIMESTEP_SAMPLERS: Version = (1, 6, 0, 0)
_HALF_PRECISION_NOISE_TABLE: Version = (1, 7, 0, 225)
_REFINER_BY_STEPS: Version = (1, 8, 0, 0)
_SCHEDULE_TYPES: Version = (1, 9, 0, -1)


def upgrade_infotext(
    fields: Mapping[str, str], *, skip: Collection[str] = (), final_size: bool = False
) -> dict[str, str]:
    """Return the result of `read_infotext` with everything spelled out that A1111 1.10 reads into it.

    This is `restore_defaults` and `compatibility_fields` together; flags are the texts "True" and "False".

    Args:
        fields: a result of `read_infotext`.
        skip: keys to leave out (A1111's option `infotext_skip_pasting`).
        final_size: "Size" is the size after Hires. fix (A1111's option `use_old_hires_fix_width_height`).
    """
    full = restore_defaults(fields, final_size=final_size) | compatibility_fields(fields)
    return {key: text for key, text in full.items() if key not in skip}


def restore_defaults(fields: Mapping[str, str], *, final_size: bool = False) -> dict[str, str]:
    """Return `fields` with the defaults filled in and with old forms replaced by today's; see `upgrade_infotext`."""
    result = replace_old_forms(fields)
    if final_size and (hires := _size(fields, "Hires resize")) and 0 not in hires:
        result["Size-1"], result["Size-2"] = map(str, hires)
    if result.get("FP8 weight", "Disable") != "Disable":
        result.setdefault("Cache FP16 weight for LoRA", "False")
    if any(_EMPHASIS.search(fields.get(key, "")) for key in (PROMPT_KEY, NEGATIVE_KEY)):
        result.setdefault(EMPHASIS_KEY, EMPHASIS_DEFAULT)
    return DEFAULTS | result


def replace_old_forms(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the result of `read_infotext` in today's words.

    - A hypernetwork chosen in the settings (before 1.1) becomes a `<hypernet:name:strength>` tag of the prompt.
    - The first-pass size of the hires fix before 1.0 becomes the size, and the size becomes the hires size.
    """
    result = dict(fields)
    if "Hypernet" in result:
        strength = result.get("Hypernet strength", "1.0")
        result[PROMPT_KEY] = f"{result.get(PROMPT_KEY, '')}<hypernet:{result['Hypernet']}:{strength}>"
    _restore_first_pass(result)
    return result


def compatibility_fields(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the switches that make today's A1111 compute as the version named in `fields` did.

    Empty when no version is named, or when it is not one of A1111's.
    """
    version = parse_version(fields.get("Version", ""))
    if version is None:
        return {}
    switches: dict[str, bool] = {
        "Old prompt editing timelines": version < _OLD_TIMELINES and "[" in fields.get(PROMPT_KEY, ""),
        "Pad conds v0": version < _PADDED_TIMESTEP_SAMPLERS and fields.get("Sampler") in ("DDIM", "PLMS"),
        "Downcast alphas_cumprod": version < _HALF_PRECISION_NOISE_TABLE,
        "Refiner switch by sampling steps": version < _REFINER_BY_STEPS and "Refiner" in fields,
    }
    return {name: "True" for name, on in switches.items() if on}


def is_before_schedule_types(fields: Mapping[str, str]) -> bool:
    """Whether an infotext is from before A1111 1.9, when sampler and schedule type became two things.

    Later versions always name a schedule type, so a text without a version (A1111 named none before 1.3) is older if it
    names none. What counts of Forge is the version of A1111 on which it is based.
    """
    text = fields.get("Version", "")
    if not text:
        return "Schedule type" not in fields
    version = parse_version(_FORGE_VERSION.sub("", text))
    return version is not None and version < _SCHEDULE_TYPES


def parse_version(text: str) -> Version | None:
    """Return major, minor, patch and commits since then of "v1.7.0-225-gabcdef12"; a release candidate has -1 commits.

    None when `text` does not begin with a version of three numbers.
    """
    found = _VERSION.match(text)
    if not found:
        return None
    commits = -1 if found["candidate"] else int(found["commits"] or 0)
    return int(found[1]), int(found[2]), int(found[3]), commits


def first_pass_size(width: int, height: int) -> tuple[int, int]:
    """Return the size in px of the first pass that A1111 before 1.0 chose for a hires picture of `width` × `height`.

    It has at least as many pixels as 512 × 512 and sides that are multiples of 64.
    """
    scale = math.sqrt(FIRST_PASS_PIXELS / (width * height))
    return math.ceil(scale * width / 64) * 64, math.ceil(scale * height / 64) * 64


def _restore_first_pass(fields: dict[str, str]) -> None:
    """Turn "First pass size" into "Size", and "Size" into "Hires resize"."""
    first = _size(fields, "First pass size")
    if first is None:
        return
    hires = _size(fields, "Size")
    if hires is None or 0 in hires:
        hires = (512, 512)
    if 0 in first:
        first = first_pass_size(*hires)
    fields["Size-1"], fields["Size-2"] = map(str, first)
    fields["Hires resize-1"], fields["Hires resize-2"] = map(str, hires)


def _size(fields: Mapping[str, str], key: str) -> tuple[int, int] | None:
    """Width and height in px that `read_infotext` put under `key`-1 and `key`-2; None when there is no such pair."""
    sides = [fields.get(f"{key}-{number}", "") for number in (1, 2)]
    if not all(side.isdecimal() and len(side) <= _MAXIMUM_DIGITS for side in sides):
        return None
    return int(sides[0]), int(sides[1])
