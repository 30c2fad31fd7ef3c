import hashlib
from pathlib import Path

import pytest

from tools.demo_model.report import origin, table, write_section


def test_a_section_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    report = tmp_path / "docs" / "report.md"
    write_section(report, "first", "## One\n\nold")
    write_section(report, "second", "## Two")
    report.write_text(report.read_text(encoding="utf-8") + "\nWritten by hand.\n", encoding="utf-8")
    write_section(report, "first", "## One\n\nnew")
    text = report.read_text(encoding="utf-8")
    assert "old" not in text
    assert text.index("new") < text.index("## Two") < text.index("Written by hand.")
    assert text.count("## One") == text.count("## Two") == 1


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    for name in ("first", "second"):
        write_section(report, name, f"## {name}")
    before = report.read_text(encoding="utf-8")
    write_section(report, "first", "## first\n")
    assert report.read_text(encoding="utf-8") == before


def test_a_lost_marker_is_not_written_over(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    report.write_text("<!-- begin first -->\nWritten by hand.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="without the other"):
        write_section(report, "first", "## One")
    assert "Written by hand." in report.read_text(encoding="utf-8")


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_origin_names_command_and_model(tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"weights")
    text = origin("tools.demo_model.evaluate", ["--seed", "3"], model)
    assert "python -m tools.demo_model.evaluate --seed 3" in text
    assert hashlib.sha256(b"weights").hexdigest() in text
    assert str(tmp_path) not in text
