r"""Infotext: the generation parameters of a picture as text, in the form that A1111 1.10 writes and reads.

The form is: the prompt (any number of lines), `Negative prompt: ` and the negative prompt, and one last line of
`Key: value` pairs that are separated by `, `. A value that contains a comma, a colon or a line break is written as a
JSON string.
"""

import json
import re
from collections.abc import Collection, Mapping

FieldValue = str | int | float | None

NEGATIVE = "Negative prompt:"
PROMPT_KEY = "Prompt"
NEGATIVE_KEY = "Negative prompt"
MINIMUM_PAIRS = 3  # fewer pairs in the last line, and it is a line of the prompt
MAXIMUM_LINE = 250_000  # characters; a longer one is a line of the prompt: two hires prompts take 100,000 at most

# A key is a run of word characters, blanks, hyphens and slashes before a colon; it has two characters at least and
# begins with a word character. The look-behind and the possessive quantifiers keep this linear on long prompts.
_PAIR = re.compile(
    r"""
    (?<![\w\ /-]) [\ /-]*+ (?P<key> \w [\w\ /-]++ ) : \s*+
    (?: (?P<quoted> "(?: [^"\\] | \\. )++" ) (?= , | \Z ) | (?P<bare> [^,]*+ ) )
    """,
    re.VERBOSE,
)
_SIZE = re.compile(r"(\d+)x(\d+)")


def quote(value: str | float) -> str:
    """Return `value` as a JSON string if A1111 writes it as one: when it holds a comma, a colon or a line break."""
    text = str(value)
    return _json_string(text) if any(mark in text for mark in ",\n:") else text


def unquote(text: str) -> str:
    """Undo `quote`; a text that is no valid JSON string is returned as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        return str(json.loads(text))
    except json.JSONDecodeError:
        return text


def write_infotext(
    prompt: str, negative_prompt: str, fields: Mapping[str, FieldValue], marks: Collection[str] = ()
) -> str:
    """Return the infotext of one picture.

    Args:
        prompt: positive prompt.
        negative_prompt: negative prompt; its line is left out when it is empty.
        fields: keys and values in the order in which they are written; None leaves a key out.
        marks: keys that are written alone (A1111's extensions write "NaN" that way). Readers take no notice of them.
    """
    written = ((key, value) for key, value in fields.items() if value is not None)
    pairs = [key if key in marks else f"{key}: {_readable(value)}" for key, value in written]
    lines = [prompt, f"{NEGATIVE} {negative_prompt}" if negative_prompt else None, ", ".join(pairs)]
    return "\n".join(line for line in lines if line is not None).strip()


def read_infotext(text: str) -> dict[str, str]:
    """Return what an infotext says, and nothing that it does not say.

    `upgrade_infotext` adds what A1111 leaves out because it was the default.

    Returns:
        "Prompt" and "Negative prompt" (always there, perhaps empty), then the pairs of the last line in their order. A
        size `512x768` under the key `K` becomes `K-1` (width) and `K-2` (height). A pair without a value is left out.
    """
    *lines, last = text.strip().split("\n")
    pairs = list(_PAIR.finditer(last)) if len(last) <= MAXIMUM_LINE else []
    if len(pairs) < MINIMUM_PAIRS:
        lines.append(last)
        pairs = []
    prompt, negative_prompt = _split_prompts(lines)
    fields = {PROMPT_KEY: prompt, NEGATIVE_KEY: negative_prompt}
    for pair in pairs:
        key, value = pair["key"], unquote(pair["quoted"] or pair["bare"])
        if size := _SIZE.fullmatch(value):
            fields[f"{key}-1"], fields[f"{key}-2"] = size.groups()
        elif pair["quoted"] or pair["bare"]:
            fields[key] = value
    return fields


def _readable(value: str | float) -> str:
    """Return `value` as it stands in the last line: as A1111 writes it, unless nobody could read that back."""
    text = quote(value)
    if text != str(value):
        return text
    return _json_string(text) if text.startswith('"') or text != text.strip() else text


def _json_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _split_prompts(lines: list[str]) -> tuple[str, str]:
    """Divide lines at the one that begins with `Negative prompt:`. Blanks at both ends of a line do not count."""
    prompts: dict[bool, list[str]] = {False: [], True: []}
    negative = False
    for raw in lines:
        line = raw.strip()
        if line.startswith(NEGATIVE):
            negative = True
            line = line.removeprefix(NEGATIVE).strip()
        if line or prompts[negative]:
            prompts[negative].append(line)
    return "\n".join(prompts[False]), "\n".join(prompts[True])
