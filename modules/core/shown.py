"""Text of strangers in sentences for people."""

MAX_SHOWN = 120  # characters

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def shown(text: str) -> str:
    """Return `text` as a message can show it: one short line that any console and any JSON writer takes.

    Names in files may be megabytes long and hold line ends, escape sequences and halves of surrogate pairs.
    """
    short = text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
    return "".join(character if character.isprintable() else _REPLACEMENT for character in short)
