"""The order in which people expect names."""

import re

_NUMBER = re.compile(r"(\d+)")


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort without regard to case, and numbers by their value: a2 before a10."""
    parts = _NUMBER.split(name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
