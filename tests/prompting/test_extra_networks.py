from typing import Any

import pytest

from modules.prompting.extra_networks import parse_networks
from tests.prompting.recordings import recorded


@pytest.mark.parametrize("case", recorded("networks"), ids=lambda case: case["text"])
def test_parses_as_recorded(case: Any) -> None:
    rest, tags = parse_networks(case["text"])
    networks: dict[str, list[Any]] = {}
    for tag in tags:
        parsed = {"items": list(tag.items), "positional": list(tag.positional), "named": tag.named}
        networks.setdefault(tag.kind, []).append(parsed)
    assert rest == case["rest"]
    assert networks == case["networks"]


def test_tags_keep_their_order_and_place() -> None:
    text = "a <lora:x:1> b<hypernet:y> <lora:z>"
    _, tags = parse_networks(text)
    assert [text[tag.start : tag.stop] for tag in tags] == ["<lora:x:1>", "<hypernet:y>", "<lora:z>"]


@pytest.mark.parametrize(("tag", "name"), [("<lora:x:1>", "x"), ("<lora:te=1:x>", "x"), ("<lora:te=1>", "")])
def test_the_name_is_the_first_item_that_is_no_key(tag: str, name: str) -> None:
    _, (parsed,) = parse_networks(tag)
    assert parsed.name == name


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["<", "<a", "<a:", "<a:b", "<a:b>", ">", "<:>", "a:"])
def test_long_hostile_texts_end_soon(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    rest, tags = parse_networks(text)
    assert rest or tags
