from typing import Any

import pytest

from modules.core.errors import InvalidRequest
from modules.prompting.extra_networks import parse_networks
from modules.prompting.network_use import NetworkUse, read_use
from tests.prompting.recordings import recorded


def used(text: str) -> NetworkUse:
    _, (tag,) = parse_networks(text)
    return read_use(tag)


@pytest.mark.parametrize(
    "case", [case for case in recorded("networks") if "uses" in case], ids=lambda case: case["text"]
)
def test_reads_as_recorded(case: Any) -> None:
    _, tags = parse_networks(case["text"])
    tags = [tag for tag in tags if tag.kind == "lora"]
    if case["uses"] is None:
        with pytest.raises(InvalidRequest):
            [read_use(tag) for tag in tags]
    else:
        uses = [read_use(tag) for tag in tags]
        assert [[use.name, use.text, use.image, use.rank] for use in uses] == case["uses"]


def test_escaped_underscores_are_underscores() -> None:
    assert used(r"<lora:taiwanDollLikeness\_v10:0.66>").name == "taiwanDollLikeness_v10"


def test_names_have_blanks_within_but_not_around() -> None:
    assert used("<Lora: my style :0.5>").name == "my style"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<lora:te=1>", "names no file"),
        ("<lora: :1>", "names no file"),
        ("<lora:a:much>", "“much” is no weight"),
        ("<lora:a:nan>", "“nan” is no weight"),
        ("<lora:a:1:inf>", "“inf” is no weight"),
        ("<lora:a:1e9>", "“1e9” is no weight"),
        ("<lora:a:1:1:0>", "“0” is no rank"),
    ],
)
def test_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        used(text)
