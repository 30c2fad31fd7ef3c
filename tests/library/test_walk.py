from pathlib import Path

import pytest

from modules.library.walk import walk


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_every_folder_once_with_what_it_holds(tmp_path: Path) -> None:
    put(tmp_path, "b.pt", "a.pt", "sub/c.pt", "sub/deep/d.pt", ".git/e.pt", "sub/.hidden.pt")
    (tmp_path / "sub" / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to("itself")
    listed = [(listing.prefix, listing.files, listing.folders) for listing in walk([tmp_path, tmp_path / "sub"])]
    assert listed == [
        ("", ("a.pt", "b.pt"), ["sub"]),
        ("sub/", ("c.pt",), ["deep"]),
        ("sub/deep/", ("d.pt",), ["up"]),
    ]


def test_links_to_other_places_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "a.pt")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    assert [listing.files for listing in walk([tmp_path / "root"])] == [(), ("a.pt",)]


def test_a_folder_that_is_taken_out_is_not_looked_into(tmp_path: Path) -> None:
    put(tmp_path, "one/a.pt", "two/b.pt")
    found: list[str] = []
    for listing in walk([tmp_path]):
        found += listing.files
        if "one" in listing.folders:
            listing.folders.remove("one")
    assert found == ["b.pt"]


def test_a_root_that_is_not_there_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert list(walk([tmp_path / "missing"])) == []
    assert not caplog.records


def test_names_that_are_no_unicode_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bad\udcff.pt").write_text("x")
    assert [listing.files for listing in walk([tmp_path])] == [()]
    assert "its name is not valid Unicode" in caplog.text
