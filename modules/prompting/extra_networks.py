"""Tags of extra networks: `<lora:name:0.8>`, `<hypernet:name:1>`, `<lora:name:te=0.5:unet=1>`."""

import re
from dataclasses import dataclass

_TAG = re.compile(r"<(\w++):([^>]++)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTag:
    """A tag, whatever its kind.

    Attributes:
        kind: what stands before the first colon ("lora", "hypernet").
        items: what the other colons separate, with its blanks; at least one.
        start: where the tag begins in the prompt.
        stop: where it ends.
    """

    kind: str
    items: tuple[str, ...]
    start: int
    stop: int

    @property
    def positional(self) -> tuple[str, ...]:
        """The items that are no `key=value`; one with several "=" is none."""
        return tuple(item for item in self.items if item.count("=") != 1)

    @property
    def named(self) -> dict[str, str]:
        """The items `key=value`."""
        return dict(item.split("=") for item in self.items if item.count("=") == 1)

    @property
    def name(self) -> str:
        """The network's name, empty if the tag has none."""
        return next(iter(self.positional), "")


def parse_networks(text: str) -> tuple[str, tuple[NetworkTag, ...]]:
    """Take the tags out of a positive prompt; in negative prompts they are text.

    Tags may stand anywhere, even within brackets. Unclosed and empty ones are text.

    Returns:
        The text without the tags, and these in their order. Never raises.
    """
    # Nothing behind the last ">" can be a tag; looking there for each "<" would take quadratic time.
    tags = tuple(
        NetworkTag(kind=match[1], items=tuple(match[2].split(":")), start=match.start(), stop=match.end())
        for match in _TAG.finditer(text, 0, text.rfind(">") + 1)
    )
    starts, stops = [0, *(tag.stop for tag in tags)], [*(tag.start for tag in tags), len(text)]
    return "".join(text[start:stop] for start, stop in zip(starts, stops, strict=True)), tags
