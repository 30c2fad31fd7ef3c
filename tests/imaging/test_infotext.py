from typing import Any

import pytest

from modules.imaging.infotext import quote, read_infotext, unquote, write_infotext
from modules.imaging.infotext_styles import separate_styles
from modules.imaging.infotext_upgrade import (
    compatibility_fields,
    first_pass_size,
    is_before_schedule_types,
    parse_version,
    restore_defaults,
    upgrade_infotext,
)
from modules.prompting.styles import Style
from tests.imaging.recordings import recorded

PARSED = recorded("infotext_parse")
OPTIONS = recorded("infotext_options")


@pytest.mark.parametrize("case", PARSED["cases"], ids=lambda case: repr(case["text"])[:60])
def test_means_what_a1111_reads(case: Any) -> None:
    upgrade = upgrade_infotext if case.get("auto_backcompat", True) else restore_defaults
    meant = upgrade(read_infotext(case["text"]))
    expected = PARSED["defaults"] | case["fields"]
    if case["version"] == "1.8":  # which always said "Emphasis", and had only one way to switch to the refiner
        for key in ("Emphasis", "Refiner switch by sampling steps"):
            meant.pop(key, None)
            expected.pop(key, None)
    assert meant == expected


@pytest.mark.parametrize("case", OPTIONS["cases"], ids=lambda case: repr(case["opts"]) + repr(case["text"])[:40])
def test_options_of_reading_do_what_they_do_in_a1111(case: Any) -> None:
    options = case["opts"]
    styles: dict[str, tuple[str, str]] = OPTIONS["styles"] if case.get("styles") else {}
    said, chosen = separate_styles(
        read_infotext(case["text"]),
        [Style(name=name, prompt=prompt, negative_prompt=negative) for name, (prompt, negative) in styles.items()],
        options.get("infotext_styles", "Ignore"),
    )
    skip = options.get("infotext_skip_pasting", ())
    meant: dict[str, Any] = dict(
        upgrade_infotext(said, skip=skip, final_size=options.get("use_old_hires_fix_width_height", False))
    )
    if chosen is not None:
        meant["Styles array"] = list(chosen)
    expected = {key: text for key, text in PARSED["defaults"].items() if key not in case.get("missing", ())}
    assert meant == expected | case["fields"]


def test_plain_reading_adds_nothing() -> None:
    text = "a cat\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, Size: 512x768, Version: v1.5.0"
    assert read_infotext(text) == {
        "Prompt": "a cat",
        "Negative prompt": "bad",
        "Steps": "20",
        "Sampler": "Euler a",
        "Size-1": "512",
        "Size-2": "768",
        "Version": "v1.5.0",
    }


WRITTEN: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "a cat",
        "bad",
        {"Steps": 20, "Sampler": "Euler a", "CFG scale": 7.0, "Seed": 1000, "Size": "512x768", "Version": "v1.8.0"},
        "a cat\nNegative prompt: bad\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7.0, Seed: 1000, Size: 512x768, Version: v1.8.0",
    ),
    ("", "", {"Steps": 20, "Seed": 1000}, "Steps: 20, Seed: 1000"),
    ("", "x", {"Steps": 20}, "Negative prompt: x\nSteps: 20"),
    ("a\nb, c", "x\ny", {"Steps": 20}, "a\nb, c\nNegative prompt: x\ny\nSteps: 20"),
    ("a", "", {"X": None, "Y": False, "Z": 0, "W": ""}, "a\nY: False, Z: 0, W:"),
    ("a", "", {"Lora hashes": "foo: 123, bar: 456"}, 'a\nLora hashes: "foo: 123, bar: 456"'),
]


@pytest.mark.parametrize(("prompt", "negative", "fields", "text"), WRITTEN)
def test_writes_what_a1111_writes(prompt: str, negative: str, fields: dict[str, Any], text: str) -> None:
    assert write_infotext(prompt, negative, fields) == text


def test_marks_are_written_without_a_value() -> None:
    fields: dict[str, Any] = {"NaN": "NaN", "Model": "Model", "Pad conds": True}
    assert write_infotext("a", "", fields, marks=["NaN"]) == "a\nNaN, Model: Model, Pad conds: True"


QUOTED = [
    ("a", "a"),
    ("", ""),
    ("a:b", '"a:b"'),
    ("a\nb", '"a\\nb"'),
    ("日本, 語", '"日本, 語"'),
    ("x\\y", "x\\y"),
    ("a\tb,c", '"a\\tb,c"'),
    ('"', '"'),
]


@pytest.mark.parametrize(("value", "text"), QUOTED)
def test_quotes_only_what_would_be_misread(value: str, text: str) -> None:
    assert quote(value) == text
    assert unquote(text) == value


@pytest.mark.parametrize("text", ['"a', '"', "[1]", '"a\nb"', "'a'", '"bad \\x"'])
def test_unquote_leaves_what_is_not_a_json_string(text: str) -> None:
    assert unquote(text) == text


@pytest.mark.parametrize("value", ['"', '"a"', '"a', " a", "a ", "\u3000", "\t", 'a"', "\\", "a, b: c", 'x "y", z'])
def test_values_that_a1111_cannot_read_back_are_quoted(value: str) -> None:
    fields = {"Model": value, "VAE": value, "Steps": 20}
    assert read_infotext(write_infotext("p", "", fields))["Model"] == value
    assert read_infotext(write_infotext("p", "", fields))["VAE"] == value


def test_what_is_written_is_read_back() -> None:
    fields: dict[str, str | int | float | None] = {
        "Steps": 20,
        "Hires prompt": 'a "b", c: d\nе 😀 \\',
        "Model": "my model, v2",
        "Seed": 2**63 - 1,
    }
    read = read_infotext(write_infotext("line 1\nline 2", "bad, worse", fields))
    assert read == {"Prompt": "line 1\nline 2", "Negative prompt": "bad, worse"} | {
        key: str(value) for key, value in fields.items()
    }


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "word ",
        "a:",
        "aa: ",
        "aa: ,",
        'aa:"x',
        'aa:"',
        "\\",
        '"',
        "(",
        "[\\",
        " -/",
        "é",
        "9.",
        "512x",
        ', aa: "\\',
    ],
)
def test_long_hostile_texts_end_soon(unit: str) -> None:
    upgrade_infotext(read_infotext("p\n" + unit * (200_000 // len(unit))))


def test_an_endless_line_is_a_prompt() -> None:
    text = "aa: 1, " * 50_000
    assert read_infotext(text) == {"Prompt": text.strip(), "Negative prompt": ""}


def test_sizes_of_absurd_length_are_left_alone() -> None:
    digits = "9" * 5000
    fields = read_infotext(f"p\nSteps: 20, Seed: 1, Size: {digits}x{digits}, First pass size: {digits}x0")
    assert upgrade_infotext(fields)["Size-1"] == digits


@pytest.mark.parametrize(
    ("size", "first_pass"),
    [((512, 512), (512, 512)), ((768, 1024), (448, 640)), ((4096, 512), (1472, 192)), ((513, 777), (448, 640))],
)
def test_first_pass_size_of_the_old_hires_fix(size: tuple[int, int], first_pass: tuple[int, int]) -> None:
    assert first_pass_size(*size) == first_pass


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.5.2-10-gabcdef12", (1, 5, 2, 10)),
        ("1.4.0", (1, 4, 0, 0)),
        ("v1.8.0-RC", (1, 8, 0, -1)),
        ("v1.10.1", (1, 10, 1, 0)),
        ("v1.7.0-225", (1, 7, 0, 225)),
        ("ComfyUI", None),
        ("Easel 0.1.0", None),
        ("f0.0.17v1.8.0rc-latest-276-g29be1da7", None),
        ("", None),
    ],
)
def test_versions(text: str, version: tuple[int, int, int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("fields", "older"),
    [
        ({"Version": "v1.8.0"}, True),
        ({"Version": "v1.8.0", "Schedule type": "karras"}, True),
        ({"Version": "v1.9.0-RC"}, False),
        ({"Version": "v1.10.1"}, False),
        ({"Version": "f0.0.17v1.8.0rc-latest-276-g29be1da7"}, True),
        ({"Version": "f2.0.1v1.10.1-previous-659-gc055f2d4"}, False),
        ({"Version": "Easel 0.1.0"}, False),
        ({"Version": "ComfyUI"}, False),
        ({}, True),
        ({"Schedule type": "Karras"}, False),
    ],
)
def test_which_infotexts_are_from_before_schedule_types(fields: dict[str, str], older: bool) -> None:
    assert is_before_schedule_types(fields) is older


def test_a_release_candidate_is_older_than_its_release() -> None:
    fields = {"Prompt": "a [b]", "Version": "v1.6.0-RC"}
    assert "Old prompt editing timelines" in compatibility_fields(fields)
    assert "Old prompt editing timelines" not in compatibility_fields(fields | {"Version": "v1.6.0"})
