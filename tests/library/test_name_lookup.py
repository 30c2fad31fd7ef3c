from modules.library.name_lookup import NameLookup


def lookup(*entries: tuple[str, str]) -> NameLookup[str]:
    """Files in folders, each with the name that it gives itself."""
    return NameLookup((path, (path.rpartition("/")[2], path), alias) for path, alias in entries)


def test_names_of_files_come_before_what_files_call_themselves() -> None:
    names = lookup(("a", "b"), ("sub/b", "c"), ("d", "a"))
    assert [names.find(name) for name in ("a", "b", "c", "sub/b", "x")] == ["a", "sub/b", "sub/b", "sub/b", None]


def test_the_first_of_two_files_keeps_the_name() -> None:
    names = lookup(("b", ""), ("sub/b", ""))
    assert [names.find(name) for name in ("b", "sub/b")] == ["b", "sub/b"]


def test_any_case_comes_last() -> None:
    names = lookup(("Style", ""), ("other", "style"), ("STRASSE", "Ink"))
    assert [names.find(name) for name in ("Style", "style", "STYLE", "straße", "INK")] == [
        "Style",
        "other",
        "Style",
        "STRASSE",
        "STRASSE",
    ]


def test_what_several_files_call_themselves_is_none_of_them() -> None:
    names = lookup(("a", "same"), ("b", "same"), ("c", "Same"), ("d", "e"), ("e", "e"))
    assert names.find("same") is None
    assert names.rivals("same") == ["a", "b"]
    assert names.find("Same") == "c"
    assert (names.find("e"), names.rivals("e")) == ("e", [])


def test_near_names() -> None:
    names = lookup(("Watercolor", ""), ("sub/portrait", "waterfall"))
    assert names.near("watercolour") == ["Watercolor"]
    assert names.near("zzz") == []
