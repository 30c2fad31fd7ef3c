"""What a tag asks for: which network, and how much of it."""

import math
from dataclasses import dataclass

from modules.core.errors import InvalidRequest
from modules.prompting.extra_networks import NetworkTag

MAX_MULTIPLIER = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkUse:
    """A network with its weights.

    Attributes:
        name: as written, without the backslashes that Markdown puts before underscores.
        text: how much it changes the text encoders; below 0 the other way.
        image: how much it changes the network that makes pictures.
        rank: of its matrices, only so many of the first columns are used; None for all.
    """

    name: str
    text: float
    image: float
    rank: int | None = None


def read_use(tag: NetworkTag) -> NetworkUse:
    """Read `<lora:name:text:image:rank>`, `<lora:name:te=0.5:unet=1:dyn=4>` or `<hypernet:name:1>`.

    As in A1111, one number holds for both parts, none means 1, and what is named wins over what stands in order.

    Raises:
        InvalidRequest: it has no name, or a weight is no number; says which.
    """
    name, *numbers = tag.positional or ("",)
    name = name.strip().replace("\\_", "_")
    if not name:
        raise InvalidRequest(f"<{tag.kind}:…> names no file. Write <{tag.kind}:name:1>.")
    named = tag.named
    text = _number(tag, named.get("te", numbers[0] if numbers else "1"))
    image = _number(tag, named["unet"] if "unet" in named else numbers[1] if len(numbers) > 1 else str(text))
    rank = named.get("dyn", numbers[2] if len(numbers) > 2 else None)
    return NetworkUse(name=name, text=text, image=image, rank=None if rank is None else _rank(tag, rank))


def _number(tag: NetworkTag, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= MAX_MULTIPLIER:
        raise InvalidRequest(f"<{tag.kind}:{tag.name}>: “{text}” is no weight. Write a number such as 0.8.")
    return number


def _rank(tag: NetworkTag, text: str) -> int:
    try:
        rank = int(text)
    except ValueError:
        rank = 0
    if rank < 1:
        raise InvalidRequest(f"<{tag.kind}:{tag.name}>: “{text}” is no rank. Write a whole number above 0.")
    return rank
