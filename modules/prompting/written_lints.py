"""Lints of a prompt as it is written: brackets, weights, repetitions, AND, tags of extra networks."""

import re
from collections.abc import Collection, Iterator, Sequence

from modules.prompting.composition import ComposedPart
from modules.prompting.extra_networks import NetworkTag
from modules.prompting.report import Lint
from modules.prompting.traced import TracedText

_SIGN = re.compile(r"\\[()\[\]\\]?|(?P<open>[(\[])|(?P<close>[)\]])|\b(?P<and>AND)\b")
_NUMBER = r"[+-]?(?:\d++\.?+\d*+|\.\d++)"
_PART_WEIGHT = re.compile(rf"\s*+:\s*+{_NUMBER}")
_LIKE_A_WEIGHT = re.compile(r":\s*+(?P<number>[+-]?[\d.,]++)\s*+\)")
_WEIGHT = re.compile(_NUMBER)
_AND_AS_WORD = re.compile(rf":\s*+{_NUMBER}\s++(?P<word>(?!AND)[Aa][Nn][Dd])\b")
_BETWEEN_PHRASES = re.compile(r",|\n|\bBREAK\b")
_DECORATION = re.compile(rf":\s*+{_NUMBER}\s*+(?=\))|[()\[\]\\]")
_TAG_BEGINNING = re.compile(r"<(?P<kind>\w++):")

HIGHEST_USUAL_WEIGHT = 2.0
"""Beyond this, pictures usually fall apart."""

_WEIGHTED_KINDS = frozenset({"lora", "lyco", "hypernet"})


def bracket_lints(text: TracedText) -> Iterator[Lint]:
    """Yield brackets without a partner. Round and square ones are paired apart, as the emphasis grammar does."""
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for sign in _SIGN.finditer(text.text):
        partners = opened["(" if sign[0] == ")" else "["]
        if sign["open"]:
            opened[sign[0]].append(sign.start())
        elif sign["close"] and partners:
            partners.pop()
        elif sign["close"]:
            message = f"“{sign[0]}” closes nothing and is read as text. Remove it, or write “\\{sign[0]}”."
            yield _lint(text, sign.span(), "stray-bracket", message)
    for bracket, places in opened.items():
        for place in places:
            message = f"“{bracket}” is never closed and weighs all that follows. Close it, or write “\\{bracket}”."
            yield _lint(text, (place, place + 1), "unclosed-bracket", message)


def weight_lints(text: TracedText) -> Iterator[Lint]:
    """Yield what looks like a weight and is none."""
    for match in _LIKE_A_WEIGHT.finditer(text.text):
        if any(sign.isdigit() for sign in match["number"]) and not _WEIGHT.fullmatch(match["number"]):
            message = f"“{match['number']}” is no weight and is read as text. Write it like 1.2."
            yield _lint(text, match.span("number"), "malformed-weight", message)


def and_lints(text: TracedText, *, negative: bool) -> Iterator[Lint]:
    """Yield ANDs that do not what they seem to do."""
    depth = 0
    for sign in _SIGN.finditer(text.text):
        depth += bool(sign["open"]) - bool(sign["close"] and depth)
        if sign["and"] and negative:
            message = "AND is a word in a negative prompt; only prompts are composed."
            yield _lint(text, sign.span(), "and-in-negative-prompt", message)
        elif sign["and"] and depth:
            message = "AND splits the prompt even within brackets, and each part keeps one half of them."
            yield _lint(text, sign.span(), "and-in-brackets", message)
    for match in () if negative else _AND_AS_WORD.finditer(text.text):
        message = f"“{match['word']}” is a word. To compose the prompt of two parts, write AND."
        yield _lint(text, match.span("word"), "and-as-word", message)


def part_weight_lints(text: TracedText, parts: Sequence[ComposedPart]) -> Iterator[Lint]:
    """Yield weights of parts that are unusual, or that were hardly meant as such ("ratio 16:9" ends with one)."""
    for part in parts:
        end = part.start + len(part.text)
        match = _PART_WEIGHT.match(text.text, end)
        if match is None:
            continue
        if len(parts) == 1:
            message = f"“{shortened(match[0].strip())}” at the end is read as the weight of the whole prompt."
            yield _lint(text, match.span(), "weight-of-all", message)
        elif abs(part.weight) > HIGHEST_USUAL_WEIGHT:
            message = f"A part of the prompt weighs {part.weight:.4g}; usual weights go up to {HIGHEST_USUAL_WEIGHT}."
            yield _lint(text, match.span(), "unusual-weight", message)


def repetition_lints(part: TracedText) -> Iterator[Lint]:
    """Yield phrases between commas that were there before, whatever their case and weight."""
    seen: set[str] = set()
    borders = [match.span() for match in _BETWEEN_PHRASES.finditer(part.text)]
    starts, stops = [0, *(stop for _, stop in borders)], [*(start for start, _ in borders), len(part.text)]
    for start, stop in zip(starts, stops, strict=True):
        written = part.text[start:stop]
        phrase = " ".join(_DECORATION.sub("", written).lower().split())
        if phrase in seen:
            begin = start + len(written) - len(written.lstrip())
            span = begin, begin + len(written.strip())
            yield _lint(part, span, "repetition", f"“{shortened(phrase)}” is there twice.")
        elif phrase:
            seen.add(phrase)


def tag_lints(text: TracedText, tags: Sequence[NetworkTag], *, negative: bool) -> Iterator[Lint]:
    """Yield tags that do nothing, and numbers in them that are none.

    Args:
        text: the prompt with its tags.
        tags: those in `text`.
        negative: whether it is a negative prompt.
    """
    closed = text.text.rfind(">")
    for match in _TAG_BEGINNING.finditer(text.text, closed + 1):
        message = f"“{match[0]}” is never closed with “>” and is read as text."
        yield _lint(text, match.span(), "unclosed-tag", message)
    for tag in tags:
        span = (tag.start, tag.stop)
        if negative:
            message = "Tags of extra networks work in the prompt; in the negative prompt they are read as text."
            yield _lint(text, span, "tag-in-negative-prompt", message)
        for item in tag.positional[1:] if tag.kind in _WEIGHTED_KINDS else ():
            if not _WEIGHT.fullmatch(item.strip()):
                message = f"“{shortened(item)}” in the tag of “{shortened(tag.name)}” is no number."
                yield _lint(text, span, "malformed-tag", message)


def missing_lints(text: TracedText, missing: Sequence[NetworkTag], kinds: Collection[str]) -> Iterator[Lint]:
    """Yield tags of networks that are not there.

    Args:
        text: the prompt with its tags.
        missing: those whose network is not there.
        kinds: of networks that there are.
    """
    for tag in missing:
        if tag.kind in kinds:
            message = f"There is no {tag.kind} “{shortened(tag.name)}”; the tag does nothing."
        else:
            there = ", ".join(f"<{kind}:…>" for kind in kinds)
            message = f"“<{shortened(tag.kind)}:…>” is no kind of extra network. There are: {there}."
        yield _lint(text, (tag.start, tag.stop), "unresolved-name", message)


def shortened(text: str) -> str:
    """Return `text`, or its beginning if it is long."""
    return text if len(text) <= 60 else f"{text[:59]}…"


def _lint(text: TracedText, span: tuple[int, int], rule: str, message: str) -> Lint:
    place = text.place(range(*span))
    return Lint(start=place.start, stop=place.stop, rule=rule, message=message)
