"""Find the saved styles that are merged into an infotext's prompts, and take them out again."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from modules.imaging.infotext import NEGATIVE_KEY, PROMPT_KEY
from modules.imaging.infotext_upgrade import parse_version

StylesMode = Literal["Ignore", "Discard", "Apply if any", "Apply"]
"""A1111's option `infotext_styles`: leave styles in the prompts; take them out; take them out and choose those found;
likewise, and choose none when none is found."""

PLACEHOLDER = "{prompt}"
HIRES_KEY, HIRES_NEGATIVE_KEY = "Hires prompt", "Hires negative prompt"

_STYLED_HIRES_PROMPTS = (1, 8, 0, 139)  # until this version styles were not merged into the second pass' own prompts


class NamedStyle(Protocol):
    """A row of `styles.csv`."""

    @property
    def name(self) -> str:
        """As in the drop-down."""
        ...

    @property
    def prompt(self) -> str:
        """What is merged into the prompt, around `{prompt}` or after it."""
        ...

    @property
    def negative_prompt(self) -> str:
        """Likewise for the negative prompt."""
        ...


def separate_styles(
    said: Mapping[str, str], styles: Sequence[NamedStyle], mode: StylesMode
) -> tuple[dict[str, str], tuple[str, ...] | None]:
    """Return the result of `read_infotext` with styles taken out of its prompts, and what becomes of the chosen styles.

    The second pass' own prompts must hold the same styles as the prompts, or else nothing is taken out.

    Returns:
        The fields, and the names of the styles to choose; None to leave the choice as it is.
    """
    if mode == "Ignore":
        return dict(said), None
    names, prompt, negative_prompt = extract_styles(styles, said.get(PROMPT_KEY, ""), said.get(NEGATIVE_KEY, ""))
    result = dict(said) | {PROMPT_KEY: prompt, NEGATIVE_KEY: negative_prompt}
    version = parse_version(said.get("Version", ""))
    if (HIRES_KEY in said or HIRES_NEGATIVE_KEY in said) and (version is None or version > _STYLED_HIRES_PROMPTS):
        hires_names, hires_prompt, hires_negative_prompt = extract_styles(
            styles,
            said.get(HIRES_KEY, said.get(PROMPT_KEY, "")),
            said.get(HIRES_NEGATIVE_KEY, said.get(NEGATIVE_KEY, "")),
        )
        if hires_names != names:
            return dict(said), None
        result[HIRES_KEY] = hires_prompt if hires_prompt != prompt else ""
        result[HIRES_NEGATIVE_KEY] = hires_negative_prompt if hires_negative_prompt != negative_prompt else ""
    chosen = mode == "Apply" or (mode == "Apply if any" and names)
    return result, names if chosen else None


def extract_styles(styles: Sequence[NamedStyle], prompt: str, negative_prompt: str) -> tuple[tuple[str, ...], str, str]:
    """Return the names of the styles in two prompts, in the order in which they were merged, and what they leave over.

    A style is in the prompts when both its parts are. The one merged last is found first; each is found once.
    """
    left = list(styles)
    found: list[str] = []
    while True:
        for style in left:
            texts = _without_style(style, prompt, negative_prompt)
            if texts is not None:
                break
        else:
            return tuple(reversed(found)), prompt, negative_prompt
        left.remove(style)
        found.append(style.name)
        prompt, negative_prompt = texts


def without_part(part: str, text: str) -> str | None:
    """Return `text` as it was before `part` of a style was merged into it, None when it does not hold that part."""
    part, text = part.strip(), text.strip()
    if PLACEHOLDER in part:
        before, _, after = part.partition(PLACEHOLDER)
        if len(text) < len(before) + len(after) or not (text.startswith(before) and text.endswith(after)):
            return None
        return text[len(before) : len(text) - len(after)]
    if not text.endswith(part):
        return None
    return text.removesuffix(part).removesuffix(", ") if part else text


def _without_style(style: NamedStyle, prompt: str, negative_prompt: str) -> tuple[str, str] | None:
    if not style.prompt and not style.negative_prompt:
        return None
    positive = without_part(style.prompt, prompt)
    negative = without_part(style.negative_prompt, negative_prompt)
    return None if positive is None or negative is None else (positive, negative)
