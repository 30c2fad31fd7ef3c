"""Cards of models: searched, sorted, page by page."""

from pathlib import Path

import pytest

from modules.library.kinds import Content, ModelKind
from modules.library.model_entry import ModelEntry
from modules.library.model_facts import ModelFacts, facts_as_json
from modules.library.search_text import fold, search_text
from modules.library.shelf import CardPage, CardQuery, Shelf, Sort
from modules.library.sidecars import Sidecars, UserNotes, sidecars_as_json


def entry(
    relative: str, *, facts: ModelFacts | None = None, sidecars: Sidecars | None = None, age: int = 0
) -> ModelEntry:
    facts, sidecars = facts or ModelFacts(), sidecars or Sidecars()
    return ModelEntry(
        path=Path("/m") / relative,
        name=Path(relative).stem,
        relative=relative,
        place=ModelKind.LORA,
        size=1,
        modified=100 - age,
        created=age,
        preview=None,
        own_name=facts.alias,
        search_text=f"{fold(relative)}\n{search_text(facts, sidecars)}",
        facts_json=facts_as_json(facts),
        sidecars_json=sidecars_as_json(sidecars),
    )


INK = entry(
    "styles/ink_lines.safetensors",
    facts=ModelFacts(
        content=Content(kind=ModelKind.LORA),
        family="SDXL",
        alias="InkV2",
        base_model="anime-v3",
        trigger_words=("inkdrawing",),
        tags=(("black_and_white", 5),),
        specification={"title": "Ink Lines", "author": "Ann"},
    ),
    sidecars=Sidecars(
        notes=UserNotes(activation_text="by pen", notes="favourite", negative_text="photo", description="thin"),
        title="Ink by Ann",
        base_model="Pony",
        trigger_words=("tusche",),
        tags=("traditional",),
    ),
    age=3,
)
CAT = entry("characters/a-m/Cat 2.safetensors", age=1)
DOG = entry("characters/dog.safetensors", age=2)
WIDE = entry("ＡＮＩＭＥ 水彩.safetensors")
SHELF = Shelf((CAT, DOG, INK, WIDE))
SHA256 = {"ink_lines": "abc1234567"}


def page(**query: object) -> CardPage:
    return SHELF.page(CardQuery(kind=ModelKind.LORA, **query), lambda entry: SHA256.get(entry.name, ""))  # pyright: ignore[reportArgumentType]


def found(search: str) -> list[str]:
    return [entry.name for entry in page(search=search).entries]


@pytest.mark.parametrize(
    "search",
    [
        *("ink", "INK lines", "ink_lines", "lines ink", "nk_li", "styles", "safetensors ink", "inkv2", "ann", "sdxl"),
        *("pony", "anime-v3", "inkdrawing", "tusche", "black and white", "traditional", "by pen", "favourite", "thin"),
        *("photo", "abc123", "ABC123", "ink abc1234567", "  ink  "),
    ],
)
def test_all_that_is_known_is_searched(search: str) -> None:
    assert found(search) == ["ink_lines"]


@pytest.mark.parametrize("search", ["ink cat", "abc12", "bc1234567", "abc12345678", "inkk", "\0", "%"])
def test_what_is_not_known_is_not_found(search: str) -> None:
    assert found(search) == []


def test_width_of_letters_and_short_words_of_any_script() -> None:
    assert found("anime") == ["ink_lines", "ＡＮＩＭＥ 水彩"]
    assert found("水") == ["ＡＮＩＭＥ 水彩"]
    assert found("") == ["Cat 2", "dog", "ink_lines", "ＡＮＩＭＥ 水彩"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["Cat 2", "dog", "ink_lines", "ＡＮＩＭＥ 水彩"]),
        ("path", ["ＡＮＩＭＥ 水彩", "dog", "Cat 2", "ink_lines"]),
        ("created", ["ＡＮＩＭＥ 水彩", "Cat 2", "dog", "ink_lines"]),
        ("modified", ["ink_lines", "dog", "Cat 2", "ＡＮＩＭＥ 水彩"]),
    ],
)
def test_orders(sort: Sort, expected: list[str]) -> None:
    assert [entry.name for entry in page(sort=sort).entries] == expected
    assert [entry.name for entry in page(sort=sort, descending=True).entries] == expected[::-1]


def test_paths_are_sorted_by_folders() -> None:
    shelf = Shelf((entry("z/a.pt"), entry("b.pt"), entry("a10/c.pt"), entry("a9/d.pt")))
    found = shelf.page(CardQuery(kind=ModelKind.LORA, sort="path"), lambda _: "")
    assert [entry.name for entry in found.entries] == ["b", "d", "c", "a"]


def test_folders() -> None:
    assert SHELF.folders == ("characters", "characters/a-m", "styles")
    assert [entry.name for entry in page(folder="characters").entries] == ["Cat 2", "dog"]
    assert [entry.name for entry in page(folder="characters/a-m").entries] == ["Cat 2"]
    assert page(folder="char").total == page(folder="../x").total == 0


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [(0, 2, [CAT, DOG]), (2, 2, [INK, WIDE]), (3, 100, [WIDE]), (4, 2, []), (-5, 1, [CAT]), (0, 0, []), (0, -1, [])],
)
def test_pages(start: int, count: int, expected: list[ModelEntry]) -> None:
    assert page(start=start, count=count) == CardPage(total=4, entries=tuple(expected))
