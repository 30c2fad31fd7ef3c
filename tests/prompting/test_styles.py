import codecs
from pathlib import Path
from typing import Any

import pytest

from modules.prompting.styles import Style, StylesFileError, apply_styles, read_styles
from tests.prompting.recordings import recorded


@pytest.mark.parametrize("case", recorded("styles", "merging"), ids=lambda case: f"{case['styles']} {case['text']!r}")
def test_merges_as_recorded(case: Any) -> None:
    assert apply_styles(case["text"], case["styles"]) == case["merged"]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("case", recorded("styles", "files"), ids=lambda case: repr(case["file"]))
def test_reads_files_as_recorded(case: Any, mark: bytes, tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes(mark + case["file"].encode())
    assert [[style.name, style.prompt, style.negative_prompt] for style in read_styles(path)] == case["styles"]


def test_no_file_is_no_styles(tmp_path: Path) -> None:
    assert read_styles(tmp_path / "styles.csv") == []


def test_a_file_that_is_no_utf8_still_gives_its_styles(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    path.write_bytes("name,prompt,negative_prompt\ncafé,p,n\n".encode("cp1252"))
    assert read_styles(path) == [Style(name="caf\ufffd", prompt="p", negative_prompt="n")]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    path.write_text("name,prompt\na," + "x" * 200_000, encoding="utf-8")  # beyond the csv module's field limit
    with pytest.raises(StylesFileError, match=str(path)):
        read_styles(path)
    with pytest.raises(StylesFileError, match=str(tmp_path)):
        read_styles(tmp_path)


def test_no_styles_leave_the_text_as_it_is() -> None:
    assert apply_styles("  a  ", []) == "  a  "
