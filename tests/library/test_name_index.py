from typing import Any

import pytest

from modules.library.name_index import NameIndex, Names, split_brackets
from tests.library.recordings import recorded

RECORDED = recorded("checkpoint_names")
# A1111 looks at upper and lower case; here a name in the wrong case is better than none.
CASE_MATTERS_TO_A1111 = {"ANIME": "anime.ckpt [ffeeddccbb]"}

SHA = "0123456789abcdef" * 4
OTHER_SHA = "fedcba9876543210" * 4


def names(title: str, *aliases: str, sha256: str | None = None) -> tuple[str, Names]:
    return title, Names(title=title, unique=(split_brackets(title)[0],), aliases=aliases, sha256=sha256)


@pytest.mark.parametrize("case", RECORDED["searches"], ids=lambda case: case["wanted"])
def test_finds_what_a1111_finds(case: Any) -> None:
    entries = RECORDED["titles_and_aliases"].items()
    index = NameIndex((title, Names(title=title, aliases=tuple(aliases))) for title, aliases in entries)
    assert index.find(case["wanted"]) == CASE_MATTERS_TO_A1111.get(case["wanted"], case["found"])


INDEX = NameIndex(
    [
        names("anime.ckpt [fedcba9876]", "anime", sha256=OTHER_SHA),
        names("sub/anime.ckpt [0123456789]", "anime", "sub_anime", sha256=SHA),
        names("sub/Anime-v2.ckpt", "Anime-v2"),
        names("x [v1].safetensors", "x [v1]"),
    ]
)


@pytest.mark.parametrize(
    ("wanted", "title"),
    [
        ("anime", "anime.ckpt [fedcba9876]"),
        ("sub/anime.ckpt", "sub/anime.ckpt [0123456789]"),
        ("  sub_anime\n", "sub/anime.ckpt [0123456789]"),
        ("renamed.safetensors [0123456789]", "sub/anime.ckpt [0123456789]"),
        ("anime.ckpt [0123456789]", "sub/anime.ckpt [0123456789]"),
        ("anime.ckpt [0000000000]", "anime.ckpt [fedcba9876]"),
        ("SUB/ANIME.CKPT", "sub/anime.ckpt [0123456789]"),
        ("ANIME-V2.ckpt [0000000000]", "sub/Anime-v2.ckpt"),
        (SHA, "sub/anime.ckpt [0123456789]"),
        (SHA[:12].upper(), "sub/anime.ckpt [0123456789]"),
        ("x [v1].safetensors", "x [v1].safetensors"),
        ("x [v1]", "x [v1].safetensors"),
        ("Anime", "anime.ckpt [fedcba9876]"),
        ("-V2", "sub/Anime-v2.ckpt"),
        ("[]", None),
        ("[0123456789]", "sub/anime.ckpt [0123456789]"),
        ("012345", "sub/anime.ckpt [0123456789]"),  # a part of the title
        ("0123456789abcdee", None),
        (" ", None),
        ("[" * 100_000, None),
        ("a" * 100_000 + "]", None),
    ],
)
def test_the_surest_way_comes_first(wanted: str, title: str | None) -> None:
    assert INDEX.find(wanted) == title


def test_a_word_of_hex_digits_is_no_hash() -> None:
    index = NameIndex([names("a.ckpt", sha256="facade" + "0" * 58), names("facades.ckpt")])
    assert index.find("facade") == "facades.ckpt"


def test_names_nearby() -> None:
    assert INDEX.near("sub/anime-v3.ckpt [0123456789]")[0] == "sub/Anime-v2.ckpt"
    assert INDEX.near("nothing of the kind") == []
